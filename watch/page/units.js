// Numbers, units and times as people read them. Units come as UCUM codes.

const NAMES = new Map([
  ["Cel", "°C"], ["deg", "°"], ["um", "µm"], ["us", "µs"], ["Ohm", "Ω"], ["1", ""], ["10*3", "×1000"],
]);
const RAISED = { 2: "²", 3: "³" };
const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;

/** A UCUM code as it is written on a machine: `Cel` is °C, `m/s2` is m/s². */
export function unitText(code) {
  if (!code) return "";
  if (NAMES.has(code)) return NAMES.get(code);
  const parts = String(code).split("/");
  const shown = parts.map((part) => {
    const bare = part.replace(/[{}]/g, "");
    return (NAMES.get(bare) ?? bare).replace(/([a-zA-Z])([23])$/, (_, letter, power) => letter + RAISED[power]).replaceAll(".", "·");
  });
  return shown.join("/");
}

/** A measured value in at most six digits; `exact` is for who wants them all. */
export function valueText(value) {
  if (typeof value !== "number") return value === null || value === undefined ? "no value" : String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e7 || size < 1e-4)) return value.toExponential(3);
  const places = size >= 10000 ? 0 : size >= 1000 ? 1 : size >= 10 ? 2 : size >= 1 ? 3 : 4;
  return String(Number(value.toFixed(places)));
}

/** A count with its thousands apart. */
export function countText(count) {
  return typeof count === "number" ? count.toLocaleString("en") : "unknown";
}

/** `08:00:00.123`, UTC, of microseconds or of a time's text. */
export function clockText(time, digits = 3) {
  const date = dateOf(time);
  return date ? date.toISOString().slice(11, digits ? 20 + digits : 19) : "unknown";
}

/** `2026-11-23 08:00:00`, UTC. */
export function dayText(time) {
  const date = dateOf(time);
  return date ? date.toISOString().slice(0, 19).replace("T", " ") : "unknown";
}

/** A length of time in one unit: `now`, `40 s`, `5 min`, `3 h`, `2 d`. */
export function spanText(seconds) {
  if (typeof seconds !== "number" || !Number.isFinite(seconds)) return "unknown";
  if (seconds < MINUTE) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h`;
  return `${Math.floor(seconds / DAY)} d`;
}

/** A time as milliseconds since 1970, or NaN. */
export function millis(time) {
  return typeof time === "number" ? time / 1000 : Date.parse(time ?? "");
}

function dateOf(time) {
  const date = new Date(millis(time));
  return Number.isNaN(date.getTime()) ? null : date;
}
