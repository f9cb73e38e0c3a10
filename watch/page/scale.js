// Where values and times lie on a chart, and where its ticks are.

const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
// A line is drawn no finer than this share of the range that the machine declares, nor, where
// that range is far larger than the values, than this share of the largest value.
const FINEST = 0.06;
const FINEST_OF_VALUE = 0.5;
const SMALL = 10;
const MARGIN = 0.12;
const EDGE = 0.05;
const THOUSANDS = [[1e9, "G"], [1e6, "M"], [1e4, "k"]];
const MOST_PLACES = 4;

/** The values that a chart shows: what was measured, with room, and the limits where near. */
export function domainOf(points, low, high) {
  let [least, most] = [Infinity, -Infinity];
  for (const { value } of points) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  if (least > most) return typeof low === "number" && typeof high === "number" && low < high ? [low, high] : [0, 1];
  const range = typeof low === "number" && typeof high === "number" ? Math.abs(high - low) : 0;
  const size = Math.max(Math.abs(least), Math.abs(most));
  const finest = range ? Math.min(range * FINEST, Math.max(size * FINEST_OF_VALUE, SMALL)) : size * FINEST || 1;
  const span = Math.max(most - least, finest, size * 1e-3, 1e-9);
  const middle = (least + most) / 2;
  const [from, to] = [middle - span * (0.5 + MARGIN), middle + span * (0.5 + MARGIN)];
  // No room is given to what the machine says cannot be, as long as it is not measured.
  return [
    range && least >= low ? Math.max(from, low - span * EDGE) : from,
    range && most <= high ? Math.min(to, high + span * EDGE) : to,
  ];
}

/** A tick's value in the room beside an axis: large ones in k, M, G. */
export function tickText(value, places) {
  const size = Math.abs(value);
  const [factor, name] = THOUSANDS.find(([least]) => size >= least) ?? [1, ""];
  if (name) return `${Number((value / factor).toPrecision(4))} ${name}`;
  return places > MOST_PLACES ? value.toPrecision(2) : value.toFixed(places);
}

/** Round values in a domain, about `count` of them. */
export function ticks([least, most], count) {
  const rough = (most - least) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const found = [];
  for (let index = Math.ceil(least / step); index * step <= most; index += 1) found.push(index * step);
  return { values: found, places: Math.max(0, -Math.floor(Math.log10(step) + 1e-9) + (step / power === 2.5 ? 1 : 0)) };
}

/** Whole times in a window of microseconds, `apart` pixels or more from each other. */
export function timeTicks(from, to, width, apart = 76) {
  const perTick = ((to - from) / 1e6 / width) * apart;
  const step = (SECONDS.find((one) => one >= perTick) ?? SECONDS.at(-1)) * 1e6;
  const found = [];
  for (let time = Math.ceil(from / step) * step; time <= to; time += step) found.push(time);
  return { times: found, step };
}

/** A number to a place between two pixels. */
export function between([from, to], [start, end]) {
  const factor = (end - start) / (to - from || 1);
  return (number) => start + (number - from) * factor;
}
