// One machine on the floor. It writes into the document only what is another than before.

import { icon, make, say, set } from "./dom.js";
import { ageOf } from "./factory.js";
import { drawTrend, trend } from "./sparkline.js";
import { needsSomebody, stateOf } from "./states.js";
import { spanText, unitText, valueText } from "./units.js";

const QUIET_S = 5;

export class Tile {
  constructor(machine) {
    this.machine = machine;
    this.state = make("span", { class: "state" });
    this.icon = icon("idle");
    this.age = make("span", { class: "age" });
    this.value = make("span", { class: "value" });
    this.unit = make("span", { class: "unit" });
    this.alarms = make("span", { class: "count", role: "img", hidden: true }, icon("alarm"), make("span"));
    this.trend = trend();
    this.link = make(
      "a", { class: "tile", href: `#/machine/${encodeURIComponent(machine.device)}`, tabindex: "-1" },
      make("span", { class: "head" }, this.icon, make("span", { class: "name", title: machine.device }, machine.device), this.alarms),
      make("span", { class: "line" }, this.state, this.age),
      make("span", { class: "line" }, make("span", { class: "reading" }, this.value, this.unit), this.trend),
    );
    this.node = make("li", {}, this.link);
    this.drawn = null;
    this.show(machine);
  }

  /** Its level, for counting and filtering, whether it is drawn or not. */
  get level() {
    return stateOf(this.machine, ageOf(this.machine)).level;
  }

  get needsSomebody() {
    return needsSomebody(this.machine, this.level);
  }

  /** Show what is known of it now. */
  show(machine) {
    this.machine = machine;
    this.showState();
    const { lead } = machine;
    if (lead === this.drawn) return;
    this.drawn = lead;
    say(this.value, lead ? valueText(lead.value) : "");
    say(this.unit, lead ? unitText(lead.unit) : "");
    set(this.link, "title", lead ? lead.metric : "");
    drawTrend(this.trend, lead?.recent ?? []);
  }

  /** What changes as time goes by. */
  showState() {
    const age = ageOf(this.machine);
    const { icon: name, level, words } = stateOf(this.machine, age);
    say(this.state, words);
    set(this.icon.firstChild, "href", `#icon-${name}`);
    set(this.link, "data-level", level);
    say(this.age, age === null ? "not heard" : age < QUIET_S ? "" : `${level === "gone" ? "silent " : ""}${spanText(age)}`);
    const count = this.machine.alarms.length;
    this.alarms.hidden = count === 0;
    if (count) say(this.alarms.lastChild, count);
    for (const name of ["title", "aria-label"]) set(this.alarms, name, count === 1 ? "1 alarm" : `${count} alarms`);
  }
}
