// What the operator said of a stored message, below what the message itself says.

import { make } from "./dom.js";
import { badge } from "./table.js";
import { dayText } from "./units.js";

const NAMES = { correction: "corrected", annotation: "annotated", withdrawal: "withdrawn" };

/** Something shown as it is stored, and below it each correction; the thing alone where none is. */
export function withCorrections(shown, corrections) {
  if (!corrections?.length) return shown;
  return make("div", {}, make("div", {}, shown), ...corrections.map(correction));
}

function correction({ kind, by, meaning, reason, time, metric, value, unit, index, superseded_by: ended }) {
  const what = value === null ? "" : `${metric} ${value}${unit === null ? "" : ` ${unit}`}, `;
  const words = `${what}by ${by}, ${dayText(time)} (${meaning}): ${reason}`;
  const title = `Entry ${index} of the log, signed by the operator's key`;
  const name = ended === null ? NAMES[kind] : `${NAMES[kind]}, superseded`;
  return make("div", { class: "soft", title, "data-correction": kind }, badge(ended === null ? "warn" : "soft", name), ` ${words}`);
}
