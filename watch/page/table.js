// Tables that become cards on a narrow screen.

import { make } from "./dom.js";

/** A table of columns { name, number } and rows of cells (words or nodes). */
export function table(caption, columns, rows) {
  const head = make("tr", {}, ...columns.map(({ name, number }) => make("th", { scope: "col", class: number && "number" }, name)));
  const body = rows.map((cells) => {
    const shown = cells.map((cell, index) => {
      const { name, number } = columns[index];
      return make("td", { "data-label": name, class: number && "number" }, cell === null || cell === undefined || cell === "" ? "–" : cell);
    });
    return make("tr", {}, ...shown);
  });
  return make("div", { class: "table" }, make("table", {}, make("caption", {}, caption), make("thead", {}, head), make("tbody", {}, ...body)));
}

/** Bytes in a few characters, all of them in the tooltip. */
export function short(text, kept = 16) {
  if (!text) return null;
  return make("code", { title: text }, text.length > kept ? `${text.slice(0, kept)}…` : text);
}

/** A part of a view with its heading. */
export function part(title, ...children) {
  return make("section", { class: "part" }, make("h2", {}, title), ...children);
}

/** A word with a mark: good, bad, warn or soft. */
export function badge(kind, words) {
  return make("span", { class: "badge", "data-kind": kind }, words);
}

/** What is said where there is nothing. */
export function nothing(words) {
  return make("p", { class: "empty" }, words);
}
