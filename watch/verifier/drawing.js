// The two Merkle paths, drawn: from the message's leaf up to the collector's root, and from that
// root's checkpoint up to the anchor log's root. SVG, told in words as well.

import { hex } from "./bytes.js";



const SVG = "http://www.w3.org/2000/svg";
const ROW = 46;
const WIDTH = 300;
const MIDDLE = WIDTH / 2;
const ASIDE = 104;
const RADIUS = 7;
// Below the leaf: the sibling's hash, then the leaf's name.
const FOOT = 50;
const HEAD = 30;

/** One path: leaf at the bottom, root on top, each sibling on its side. */
export function drawPath({ index, size, steps }, leafName, rootName) {
  const height = (steps.length - 1) * ROW + HEAD + FOOT;
  const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", class: "path" });
  const title = shape("title");
  title.textContent =
    `${leafName}, leaf ${index} of ${size}, leads over ${steps.length - 1} hashes to the root of ${rootName}`;
  svg.append(title);
  const levelOf = (step) => height - FOOT - step * ROW;
  steps.forEach(({ sibling, onTheLeft }, step) => {
    if (!sibling) return;
    const [above, below] = [levelOf(step), levelOf(step - 1)];
    const aside = MIDDLE + (onTheLeft ? -ASIDE : ASIDE);
    svg.append(line(aside, below, MIDDLE, above, "given"), line(MIDDLE, below, MIDDLE, above, "taken"));
    svg.append(dot(aside, below, "given", sibling), label(aside, below + 22, short(sibling), "hash"));
  });
  steps.forEach(({ hash }, step) => {
    const end = step === 0 || step === steps.length - 1;
    svg.append(dot(MIDDLE, levelOf(step), end ? "end" : "taken", hash));
    if (!end) svg.append(label(MIDDLE + 12, levelOf(step) + 4, short(hash), "hash beside"));
  });
  svg.append(label(MIDDLE, levelOf(steps.length - 1) - 14, rootName, "name"));
  if (steps.length > 1) svg.append(label(MIDDLE, levelOf(0) + 40, leafName, "name"));
  return svg;
}

function short(hash) {
  return hex(hash.subarray(0, 4));
}

function shape(name, attributes = {}) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function line(x1, y1, x2, y2, kind) {
  return shape("line", { x1, y1, x2, y2, class: kind });
}

function dot(cx, cy, kind, hash) {
  const circle = shape("circle", { cx, cy, r: RADIUS, class: kind });
  const title = shape("title");
  title.textContent = hex(hash);
  circle.append(title);
  return circle;
}

function label(x, y, text, kind) {
  const words = shape("text", { x, y, class: kind });
  words.textContent = text;
  return words;
}
