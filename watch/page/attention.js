// What somebody should look at, before everything else on the floor.

import { icon, make } from "./dom.js";
import { ageOf } from "./factory.js";
import { stateOf } from "./states.js";

const SHOWN = 12;
const ORDER = { bad: 0, warn: 1, run: 2, calm: 2, gone: 3 };

export class Attention {
  constructor() {
    this.list = make("ul", { class: "attention-list" });
    this.node = make("section", { class: "attention", hidden: true }, make("h2", {}, "Needs somebody"), this.list);
    this.drawn = "";
  }

  /** The machines that need somebody, the worst first. */
  show(tiles) {
    const those = tiles.filter((tile) => tile.needsSomebody).sort((one, other) => ORDER[one.level] - ORDER[other.level]);
    const items = those.slice(0, SHOWN).map((tile) => wordsOf(tile));
    const key = JSON.stringify([items, those.length]);
    if (key === this.drawn) return;
    this.drawn = key;
    this.node.hidden = those.length === 0;
    this.list.replaceChildren(...items.map(item));
    if (those.length > SHOWN) this.list.append(make("li", { class: "soft" }, `and ${those.length - SHOWN} more`));
  }
}

function wordsOf({ machine }) {
  const { icon: name, level, words } = stateOf(machine, ageOf(machine));
  const alarms = machine.alarms.map(({ kind, detail }) => detail || kind);
  return { device: machine.device, name, level, words, alarms };
}

function item({ device, name, level, words, alarms }) {
  const said = alarms.length ? `${words}: ${alarms[0]}${alarms.length > 1 ? ` and ${alarms.length - 1} more` : ""}` : words;
  const shown = alarms.length && level !== "bad" ? "alarm" : name;
  return make(
    "li", {},
    make("a", { href: `#/machine/${encodeURIComponent(device)}`, "data-level": alarms.length ? "bad" : level },
      icon(shown), make("b", {}, device), make("span", {}, said)),
  );
}
