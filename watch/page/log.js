// The anchor log as it grows: its head, who cosigned it, outside timestamps, newest entries.

import { ask } from "./api.js";
import { lines, make } from "./dom.js";
import { factory, listen } from "./factory.js";
import { loading } from "./loading.js";
import { badge, nothing, part, short, table } from "./table.js";
import { countText, dayText } from "./units.js";

/** Show the log. */
export function log(root) {
  const content = make("div");
  root.append(content);
  const { again, end } = loading(content, load);
  const deaf = listen("log", again);
  return () => {
    deaf();
    end();
  };
}

async function load() {
  const now = await ask("/api/v1/log");
  factory.log = now;
  if (!now.size) return [head(now), nothing("The log is empty: nothing was anchored yet.")];
  return [head(now), witnesses(now), outside(now), entries(now), trust()];
}

function head({ origin, size, root, published_at: at, checkpoint }) {
  const facts = [["Log", origin], ["Size", `${countText(size)} entries`], ["Root", root], ["Published", at ? `${dayText(at)} UTC` : null]];
  const list = make("dl", { class: "facts" }, ...facts.filter(([, value]) => value).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", { title: value }, value))));
  const note = checkpoint ? make("details", { "data-key": "checkpoint" }, make("summary", {}, "The signed checkpoint"), lines(checkpoint)) : null;
  return part("The newest checkpoint", list, note);
}

function witnesses({ cosignatures = [], quorum }) {
  const rule = quorum?.rule ?? "none";
  const word = rule === "none"
    ? badge("warn", "The policy asks for no witness: the log's keeper could show others another log")
    : quorum?.met ? badge("good", `✓ The quorum is met (${rule})`) : badge("bad", `The quorum is not met (${rule})`);
  const rows = cosignatures.map(({ witness, time }) => [witness, dayText(time)]);
  return part("Witnesses", make("p", {}, word), rows.length ? table("Who cosigned it, and when", [{ name: "Witness" }, { name: "Cosigned (UTC)" }], rows) : nothing("No witness has cosigned it."));
}

function outside({ outside: ledgers = [] }) {
  if (!ledgers.length) return part("Timestamps from outside", nothing("The anchor is given no outside ledger."));
  const rows = ledgers.map(({ ledger, size, time, state }) => [ledger, countText(size), time ? dayText(time) : null, state]);
  return part("Timestamps from outside", table("What outside ledgers have", [{ name: "Ledger" }, { name: "Log size", number: true }, { name: "Time (UTC)" }, { name: "State" }], rows));
}

function entries({ entries: newest = [] }) {
  const rows = newest.map(({ index, kind, text, collector, size }) => [
    countText(index), kind, kind === "checkpoint" ? short(collector, 20) : null, kind === "checkpoint" ? countText(size) : null,
    make("details", { "data-key": `entry-${index}` }, make("summary", {}, "Show"), lines(text ?? "")),
  ]);
  return part("Newest entries", table("The newest first", [{ name: "Entry", number: true }, { name: "Kind" }, { name: "Collector" }, { name: "Its log's size", number: true }, { name: "Text" }], rows));
}

function trust() {
  return make(
    "p", { class: "soft" },
    "Any C2SP client can read this log at this address (", make("a", { href: "/checkpoint" }, "checkpoint"), "). Whose keys to trust must come to you another way than by this page; ",
    make("a", { href: "/api/v1/policy" }, "the policy that this server goes by"), " is to compare, and the ", make("a", { href: "/verifier", target: "_blank" }, "verifier page"), " checks a proof against yours.",
  );
}
