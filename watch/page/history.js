// Readings that are stored, asked for by machine, metric and time; each can be proved.

import { ask } from "./api.js";
import { withCorrections } from "./corrected.js";
import { make } from "./dom.js";
import { factory } from "./factory.js";
import { asking, choice, field, paged } from "./paging.js";
import { proveButton } from "./prove.js";
import { nothing, table } from "./table.js";
import { clockText, countText, dayText, valueText } from "./units.js";

const LIMITS = [["", "50"], ["200", "200"], ["1000", "1000"]];
const FIELDS = ["device", "metric", "from", "to", "limit"];
const COLUMNS = [
  { name: "Time (UTC)" }, { name: "Machine" }, { name: "Metric" }, { name: "Value", number: true },
  { name: "Message", number: true }, { name: "Status" }, { name: "Proof" },
];

/** Show the form, and what the address asks for. */
export function history(root, { query }) {
  const names = [...factory.machines.keys()].sort();
  const devices = make("datalist", { id: "known-devices" }, ...names.map((device) => make("option", { value: device })));
  const form = asking("history", [
    field("Machine", "device", query, { list: "known-devices" }), field("Metric", "metric", query),
    field("From (UTC)", "from", query, { placeholder: "2026-11-23 08:00" }),
    field("To (UTC)", "to", query, { placeholder: "2026-11-23 09:00" }), choice("Rows", "limit", query, LIMITS),
  ], devices);
  const result = make("div", { "aria-live": "polite" });
  root.append(form, result);
  if (![...query.keys()].length) {
    result.append(nothing("Readings come from the store, each with the message that it was signed in; without times, those of the last hour."));
    return () => {};
  }
  const asked = Object.fromEntries(FIELDS.map((name) => [name, timeOf(name, query.get(name))]));
  asked.limit ||= "50";
  const load = async (after) => {
    const { readings: rows, next } = await ask("/api/v1/readings", { ...asked, after });
    return { rows, next };
  };
  return paged(result, load, drawn, "No reading is stored that fits.");
}

function drawn(readings) {
  return table("Stored readings", COLUMNS, readings.map((one) => [
    `${dayText(one.time)}.${clockText(one.time).slice(9)}`, one.device, withCorrections(one.metric, one.corrections), valueText(one.value), countText(one.seq), one.status,
    proveButton({ collector: one.collector, position: one.position }, `${one.metric} of ${one.device} at ${clockText(one.time)}`),
  ]));
}

/** What a person writes as a time, as the API wants it. */
function timeOf(name, value) {
  if (!value || (name !== "from" && name !== "to")) return value;
  const text = value.trim().replace(" ", "T");
  if (/z$|[+-]\d\d:\d\d$/i.test(text)) return text;
  if (text.length === 10) return `${text}T00:00:00Z`;
  return text.length === 16 ? `${text}:00Z` : `${text}Z`;
}
