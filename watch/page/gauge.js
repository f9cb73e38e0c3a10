// A metric's newest value, and where it lies in the range that its machine declared.

import { make, say, set, shape } from "./dom.js";
import { tickText } from "./scale.js";
import { unitText, valueText } from "./units.js";

const WIDTH = 100;
const PLACES = 4;

export class Gauge {
  constructor({ unit, low, high }) {
    this.range = typeof low === "number" && typeof high === "number" && low < high ? [low, high] : null;
    this.value = make("b", {}, "no value");
    this.pointer = shape("path", { class: "pointer", d: "", visibility: "hidden" });
    this.bar = shape(
      "svg", { class: "gauge", viewBox: `-4 0 ${WIDTH + 8} 14`, "aria-hidden": "true" },
      shape("rect", { x: 0, y: 5, width: WIDTH, height: 5, rx: 1 }), this.pointer,
    );
    const ends = this.range ? [make("span", { class: "end" }, endText(low)), this.bar, make("span", { class: "end" }, endText(high))] : [];
    this.node = make("span", { class: "now" }, make("span", { class: "number" }, this.value, make("span", { class: "unit" }, unitText(unit))), make("span", { class: "scale", title: this.range ? "the range that the machine declared" : null }, ...ends));
  }

  /** Show a point, or that there is none. */
  show(point) {
    say(this.value, point ? valueText(point.value) : "no value");
    if (!point || !this.range) return;
    const [low, high] = this.range;
    const share = Math.max(0, Math.min(1, (point.value - low) / (high - low)));
    const x = (share * WIDTH).toFixed(1);
    set(this.pointer, "d", `M${x} 4l-4-4h8z M${x} 4v7`);
    set(this.pointer, "visibility", "visible");
    const outside = point.value < low || point.value > high;
    set(this.node, "data-outside", outside);
    set(this.node, "title", outside ? "outside of the range that the machine declared" : "");
  }
}

function endText(limit) {
  return Math.abs(limit) < 10000 ? valueText(limit) : tickText(limit, PLACES);
}
