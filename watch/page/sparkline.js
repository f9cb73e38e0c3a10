// The tiny trend on a tile: the last values, as high as they reach.

import { set, shape } from "./dom.js";

const WIDTH = 64;
const HEIGHT = 18;
const EDGE = 2;

/** An empty trend. */
export function trend() {
  const svg = shape("svg", { class: "trend", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true", preserveAspectRatio: "none" });
  svg.append(shape("polyline", { "vector-effect": "non-scaling-stroke" }));
  return svg;
}

/** Draw values, oldest first; what is no finite number is left out. */
export function drawTrend(svg, values) {
  const points = values.filter((value) => Number.isFinite(value));
  const [low, high] = [Math.min(...points), Math.max(...points)];
  // A value that barely moves is a line in the middle, not its noise blown up.
  const span = Math.max(high - low, Math.abs(high) * 0.002, 1e-9);
  const middle = (low + high) / 2;
  const step = WIDTH / Math.max(points.length - 1, 1);
  const spots = points.map((value, index) => {
    const y = HEIGHT / 2 - ((value - middle) / span) * (HEIGHT - 2 * EDGE);
    return `${(index * step).toFixed(1)},${y.toFixed(1)}`;
  });
  set(svg.firstChild, "points", points.length > 1 ? spots.join(" ") : "");
}
