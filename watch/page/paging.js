// A list of the store, page by page, and the form that asks for it by the address.

import { make } from "./dom.js";
import { nothing } from "./table.js";

// The server looks through a piece of the store, then says how far; so many pieces in one go.
const EMPTY_MOST = 100;

/** Show pages in `root`; `load(after)` gives { rows, next }, `draw(rows)` a node. */
export function paged(root, load, draw, none) {
  const pages = [null];
  let ended = false;
  const show = async () => {
    let nodes;
    try {
      const { rows, next } = await filled(load, pages);
      nodes = rows.length || pages.length > 1 ? [rows.length ? draw(rows) : nothing("Nothing more."), pager(pages, rows.length, next, show)] : [nothing(none)];
    } catch (error) {
      nodes = [nothing(`${error.message}. ${error.attempt ?? ""}`)];
    }
    if (!ended) root.replaceChildren(...nodes);
  };
  show();
  return () => {
    ended = true;
  };
}

/** A form whose fields become the address's query, which a reader can keep. */
export function asking(view, fields, ...before) {
  const form = make("form", { class: "query" }, ...before, ...fields, make("button", { type: "submit", class: "main" }, "Show"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const asked = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
    location.hash = `#/${view}?${asked}`;
  });
  return form;
}

/** A field with its label, as the address has it. */
export function field(label, name, query, more = {}) {
  return make("label", {}, label, make("input", { name, value: query.get(name) ?? "", autocomplete: "off", spellcheck: "false", ...more }));
}

/** A choice with its label, as the address has it. */
export function choice(label, name, query, options) {
  const made = options.map(([value, words]) => make("option", { value, selected: value === (query.get(name) ?? "") }, words));
  return make("label", {}, label, make("select", { name }, ...made));
}

async function filled(load, pages) {
  for (let tries = 1; ; tries += 1) {
    const found = await load(pages.at(-1));
    if (found.rows.length || found.next === null || tries === EMPTY_MOST) return found;
    pages[pages.length - 1] = found.next;
  }
}

function pager(pages, count, next, show) {
  const turn = (words, possible, move) => {
    const button = make("button", { type: "button", disabled: !possible }, words);
    button.addEventListener("click", () => {
      move();
      button.disabled = true;
      show();
    });
    return button;
  };
  return make(
    "div", { class: "bar" }, turn("Back", pages.length > 1, () => pages.pop()),
    make("span", { class: "soft" }, `page ${pages.length}, ${count === 1 ? "1 row" : `${count} rows`}`),
    turn("Further", next !== null, () => pages.push(next)),
  );
}
