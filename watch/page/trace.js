// The line through a metric's points as SVG path data, no finer than the screen.

/** Path data; broken where nothing came for longer than `gap` microseconds. */
export function tracePath(points, x, y, gap, width) {
  const kept = points.length > width * 2 ? thinned(points, x) : points;
  let path = "";
  let before = -Infinity;
  for (const { time, value } of kept) {
    path += `${!path || time - before > gap ? "M" : "L"}${x(time).toFixed(1)} ${y(value).toFixed(1)}`;
    before = time;
  }
  return path;
}

/** Of the points of one pixel: the first, the lowest, the highest and the last. */
function thinned(points, x) {
  const kept = [];
  let column = [];
  let at = null;
  const close = () => {
    if (!column.length) return;
    const low = column.reduce((one, other) => (other.value < one.value ? other : one));
    const high = column.reduce((one, other) => (other.value > one.value ? other : one));
    const those = new Set([column[0], low, high, column.at(-1)]);
    kept.push(...column.filter((one) => those.has(one)));
  };
  for (const point of points) {
    const pixel = Math.floor(x(point.time));
    if (pixel !== at) {
      close();
      column = [];
      at = pixel;
    }
    column.push(point);
  }
  close();
  return kept;
}
