// Alarms that last, alarms that ended, and messages that are missing.

import { ask } from "./api.js";
import { make } from "./dom.js";
import { listen } from "./factory.js";
import { loading } from "./loading.js";
import { badge, nothing, part, table } from "./table.js";
import { countText, dayText, millis, spanText } from "./units.js";

/** Show alarms and gaps. */
export function alarms(root) {
  const content = make("div");
  root.append(content);
  const { again, end } = loading(content, load);
  const deaf = listen("alarm", again);
  return () => {
    deaf();
    end();
  };
}

async function load() {
  const { alarms: all, gaps } = await ask("/api/v1/alarms");
  const lasting = all.filter(({ until }) => !until);
  const ended = all.filter(({ until }) => until);
  return [
    part("Now", lasting.length ? tableOf("Alarms that last", lasting) : nothing("No alarm lasts.")),
    part("Missing messages", gaps.length ? gapsOf(gaps) : nothing("No number is missing in any session that was seen.")),
    part("Ended", ended.length ? tableOf("Alarms that ended", ended) : nothing("None ended since this page's server started.")),
  ];
}

function tableOf(caption, rows) {
  return table(
    caption,
    [{ name: "Machine" }, { name: "Alarm" }, { name: "Since (UTC)" }, { name: "Until (UTC)" }, { name: "What" }],
    rows.map(({ device, kind, since, until, detail }) => [
      link(device), badge(until ? "soft" : "bad", kind), dayText(since),
      until ? `${dayText(until)}, after ${spanText((millis(until) - millis(since)) / 1000)}` : "lasts", detail,
    ]),
  );
}

function gapsOf(gaps) {
  return table(
    "Numbers missing inside sessions",
    [{ name: "Machine" }, { name: "Session" }, { name: "First", number: true }, { name: "Last", number: true }, { name: "Messages", number: true }],
    gaps.map(({ device, session, first, last }) => [link(device), session, countText(first), countText(last), countText(last - first + 1)]),
  );
}

function link(device) {
  return device ? make("a", { href: `#/machine/${encodeURIComponent(device)}` }, device) : null;
}
