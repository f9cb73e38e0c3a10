// Readings that are stored, asked for by machine, metric and time; each can be proved.

import { ask } from "./api.js";
import { make, say } from "./dom.js";
import { factory } from "./factory.js";
import { proveButton } from "./prove.js";
import { nothing, table } from "./table.js";
import { countText, dayText, clockText, valueText } from "./units.js";

const LIMITS = [50, 200, 1000];
const FIELDS = ["device", "metric", "from", "to", "limit"];

/** Show the form, and what the address asks for. */
export function history(root, { query }) {
  const form = formOf(query);
  const result = make("div", { "aria-live": "polite" });
  root.append(form, result);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const asked = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
    location.hash = `#/history?${asked}`;
  });
  let ended = false;
  const pages = [null];
  const show = async () => {
    const asked = Object.fromEntries(FIELDS.map((name) => [name, timeOf(name, query.get(name))]));
    try {
      const found = await ask("/api/v1/readings", { ...asked, after: pages.at(-1) });
      if (!ended) result.replaceChildren(...shown(found, pages, show));
    } catch (error) {
      if (!ended) result.replaceChildren(nothing(`${error.message}. ${error.attempt ?? ""}`));
    }
  };
  if ([...query.keys()].length) show();
  else result.append(nothing("Readings come from the store, each with the message that it was signed in."));
  return () => {
    ended = true;
  };
}

/** What a person writes as a time, as the API wants it. */
function timeOf(name, value) {
  if (!value || (name !== "from" && name !== "to")) return value;
  const text = value.trim().replace(" ", "T");
  return /[zZ]|[+-]\d\d:\d\d$/.test(text) ? text : `${text.length === 10 ? `${text}T00:00:00` : text.length === 16 ? `${text}:00` : text}Z`;
}

function formOf(query) {
  const devices = make("datalist", { id: "known-devices" }, ...[...factory.machines.keys()].sort().map((device) => make("option", { value: device })));
  const limit = make("select", { name: "limit" }, ...LIMITS.map((one) => make("option", { value: one, selected: String(one) === query.get("limit") }, one)));
  const field = (label, name, more = {}) => make("label", {}, label, make("input", { name, value: query.get(name) ?? "", autocomplete: "off", spellcheck: "false", ...more }));
  return make(
    "form", { class: "query" }, devices,
    field("Machine", "device", { list: "known-devices" }), field("Metric", "metric"),
    field("From (UTC)", "from", { placeholder: "2026-11-23 08:00" }), field("To (UTC)", "to", { placeholder: "2026-11-23 09:00" }),
    make("label", {}, "Rows", limit), make("button", { type: "submit", class: "main" }, "Show"),
  );
}

function shown({ readings, next }, pages, show) {
  if (!readings.length) return [nothing("No reading is stored that fits.")];
  const rows = readings.map((one) => [
    `${dayText(one.time)}.${clockText(one.time).slice(9)}`, one.device, one.metric, valueText(one.value), countText(one.seq), one.status,
    proveButton({ collector: one.collector, position: one.position }, `${one.metric} of ${one.device} at ${clockText(one.time)}`),
  ]);
  const columns = [{ name: "Time (UTC)" }, { name: "Machine" }, { name: "Metric" }, { name: "Value", number: true }, { name: "Message", number: true }, { name: "Status" }, { name: "Proof" }];
  const turn = (words, possible, move) => {
    const button = make("button", { type: "button", disabled: !possible }, words);
    button.addEventListener("click", () => {
      move();
      button.disabled = true;
      show();
    });
    return button;
  };
  const place = make("span", { class: "soft" });
  say(place, `page ${pages.length}, ${readings.length} readings`);
  const pager = make("div", { class: "bar" }, turn("Back", pages.length > 1, () => pages.pop()), place, turn("Further", next !== null, () => pages.push(next)));
  return [table("Stored readings", columns, rows), pager];
}
