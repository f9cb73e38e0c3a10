// How many machines are in which state, as buttons that show only those; and a search.

import { icon, make, say, set } from "./dom.js";
import { GROUPS } from "./states.js";

export class Filter {
  constructor(onChange) {
    this.level = "";
    this.words = "";
    this.buttons = new Map();
    const all = [["", "machines", null], ...GROUPS];
    for (const [level, words, name] of all) this.buttons.set(level, this.button(level, words, name, onChange));
    const search = make("input", { type: "search", placeholder: "Find a machine", "aria-label": "Find a machine by name, line or state", autocomplete: "off", spellcheck: "false" });
    search.addEventListener("input", () => {
      this.words = search.value.trim().toLowerCase();
      onChange();
    });
    this.node = make(
      "div", { class: "filter" },
      make("div", { class: "chips", role: "group", "aria-label": "Show machines that are" }, ...[...this.buttons.values()].map(({ node }) => node)),
      search,
    );
  }

  /** Say how many there are of each. */
  count(tiles) {
    const counts = new Map([["", tiles.length]]);
    for (const { level } of tiles) counts.set(level, (counts.get(level) ?? 0) + 1);
    for (const [level, { node, number }] of this.buttons) {
      const count = counts.get(level) ?? 0;
      say(number, count);
      set(node, "data-none", count === 0);
    }
  }

  /** Whether a machine is to be seen. */
  wants(tile) {
    if (this.level && tile.level !== this.level) return false;
    if (!this.words) return true;
    const { device, area, line, state } = tile.machine;
    return [device, area, line, state].join(" ").toLowerCase().includes(this.words);
  }

  button(level, words, name, onChange) {
    const number = make("b", {}, "0");
    const node = make("button", { type: "button", class: "chip", "data-level": level, "aria-pressed": String(level === "") }, name && icon(name), number, ` ${words}`);
    node.addEventListener("click", () => {
      this.level = this.level === level ? "" : level;
      for (const [other, { node: one }] of this.buttons) set(one, "aria-pressed", String(other === this.level));
      onChange();
    });
    return { node, number };
  }
}
