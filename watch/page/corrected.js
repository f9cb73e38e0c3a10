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

/** All that was said of a machine's messages, as a list; nothing where nothing was. */
export function correctionsOf(all) {
  return all.map((one) => make("li", {}, make("span", {}, `Message ${one.seq === null ? one.position : one.seq}`), ` ${storedText(one.correction)}`, correction(one.correction)));
}

function storedText({ metric, scan, original }) {
  return original === null ? "" : `${metric}, ${dayText(scan)}: ${original} is stored`;
}

function correction({ kind, by, meaning, reason, time, metric, value, unit, index, superseded_by: ended }) {
  const what = value === null ? "" : `${metric} ${value}${unit === null ? "" : ` ${unit}`}, `;
  const words = `${what}by ${by}, ${dayText(time)} (${meaning}): ${reason}`;
  const title = `Entry ${index} of the log, signed by the operator's key`;
  const name = ended === null ? NAMES[kind] : `${NAMES[kind]}, superseded`;
  return make("div", { class: "soft", title, "data-correction": kind }, badge(ended === null ? "warn" : "soft", name), ` ${words}`);
}
