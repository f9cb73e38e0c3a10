// Elements built by calls. What comes from outside goes in as text, its control and
// right-to-left characters made visible, never as markup.

import { plain } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const ORDINARY = /^[ -~]*$/;
// What a person typed, and addresses that are encoded already, stay as they are.
const AS_IT_IS = new Set(["value", "href"]);

/** Somebody's words, or anything, as text to show. */
function visible(value) {
  const text = String(value);
  return ORDINARY.test(text) ? text : plain(text);
}

/** An element of HTML with attributes, listeners (functions) and children (nodes or words). */
export function make(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function shape(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

/** One of the page's own icons, which says nothing that the words beside it do not. */
export function icon(name) {
  const svg = shape("svg", { class: "icon", "aria-hidden": "true" });
  svg.append(shape("use", { href: `#icon-${name}` }));
  return svg;
}

/** Change a node's words; nothing is touched where they are the same. */
export function say(node, words) {
  const text = visible(words);
  if (node.textContent !== text) node.textContent = text;
}

/** Change an attribute; nothing is touched where it is the same. */
export function set(node, name, value) {
  const text = AS_IT_IS.has(name) ? String(value) : visible(value);
  if (node.getAttribute(name) !== text) node.setAttribute(name, text);
}

/** Several lines of somebody's text, one under the other. */
export function lines(text) {
  const node = make("pre");
  node.textContent = String(text).split("\n").map(visible).join("\n").trimEnd();
  return node;
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== undefined && value !== null && value !== false) set(node, name, value);
  }
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : visible(child));
  }
  return node;
}
