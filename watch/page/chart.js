// One metric's chart: axes, the range that the machine declared, the line, and a reading that
// pointer or keys choose. SVG, so that style, contrast and a reader's settings apply.

import { make, say, set, shape } from "./dom.js";
import { nextFrame } from "./frame.js";
import { Gauge } from "./gauge.js";
import { between, domainOf, tickText, ticks, timeTicks } from "./scale.js";
import { Series } from "./series.js";
import { tracePath } from "./trace.js";
import { clockText, unitText, valueText } from "./units.js";

const HEIGHT = 148;
const LEFT = 50;
const RIGHT = 10;
const TOP = 8;
const FOOT = 22;
const OUTSIDE_MOST = 200;
const SHORTEST_US = 3e7;

export class Chart {
  /** Of a metric { name, unit, low, high }; `prove` is called with the reading chosen. */
  constructor(metric, prove) {
    Object.assign(this, { metric, prove, series: new Series(), chosen: null, width: 0, heard: 0, span: 3e8 });
    this.gauge = new Gauge(metric);
    this.plot = this.plotted();
    this.svg = shape(
      "svg",
      { class: "plot", tabindex: "0", role: "slider", "aria-label": `${metric.name}: choose a reading, Enter proves it`, "aria-valuemin": "0", "aria-valuemax": "0", "aria-valuenow": "0" },
      ...Object.values(this.plot),
    );
    this.words = make("span", { class: "chosen-words" }, "Choose a reading: point at it, or use the arrow keys.");
    this.button = make("button", { type: "button", class: "small", disabled: true, click: () => this.prove(this.chosen) }, "Prove");
    this.node = make(
      "figure", { class: "chart" },
      make("figcaption", {}, make("span", { class: "metric", title: metric.name }, metric.name), this.gauge.node),
      this.svg, make("div", { class: "chosen" }, this.words, this.button),
    );
    this.draw = this.draw.bind(this);
    this.wire();
  }

  /** Take points, oldest first; `heard` is when the newest of them came, in microseconds. */
  add(points, heard = 0) {
    for (const point of points) if (Number.isFinite(point.value)) this.series.add(point);
    if (heard) this.heard = heard;
    nextFrame(this.draw);
  }

  /** Show so many microseconds up to the newest point. */
  show(span) {
    this.span = span;
    nextFrame(this.draw);
  }

  end() {
    this.sizes.disconnect();
  }

  draw() {
    const { last } = this.series;
    this.gauge.show(last);
    if (!this.width || !last) return;
    // Of a machine that has just begun, what there is; not a line at the edge of nothing.
    const [from, to] = [Math.max(last.time - this.span, Math.min(this.series.points[0].time, last.time - SHORTEST_US)), last.time];
    const points = this.series.since(from);
    const domain = domainOf(points, this.metric.low, this.metric.high);
    this.x = between([from, to], [LEFT, this.width - RIGHT]);
    this.y = between(domain, [HEIGHT - FOOT, TOP]);
    Object.assign(this, { from, to });
    this.drawAxes(domain, from, to);
    this.drawRange(domain);
    set(this.plot.trace, "d", tracePath(points, this.x, this.y, this.series.longestStep, this.width));
    set(this.plot.outside, "d", this.outsidePath(points));
    set(this.plot.last, "transform", `translate(${this.x(last.time).toFixed(1)} ${this.y(last.value).toFixed(1)})`);
    this.drawChosen();
    // What measures the way from a message to the screen reads this.
    if (this.heard) set(this.node, "data-heard", this.heard);
  }

  plotted() {
    const clip = { x: LEFT, y: 0, width: 0, height: HEIGHT };
    const id = `clip-${Math.random().toString(36).slice(2)}`;
    return {
      clip: shape("clipPath", { id }, shape("rect", clip)),
      range: shape("rect", { class: "range" }),
      grid: shape("path", { class: "grid" }),
      limits: shape("path", { class: "limits" }),
      trace: shape("path", { class: "trace", "clip-path": `url(#${id})` }),
      outside: shape("path", { class: "outside", "clip-path": `url(#${id})` }),
      last: shape("circle", { class: "last", r: 3 }),
      labels: shape("g", { class: "labels" }),
      cursor: shape("path", { class: "cursor" }),
      mark: shape("circle", { class: "mark", r: 5, visibility: "hidden" }),
    };
  }

  drawAxes(domain, from, to) {
    const right = this.width - RIGHT;
    const { values, places } = ticks(domain, 4);
    const { times, step } = timeTicks(from, to, right - LEFT);
    set(this.plot.grid, "d", values.map((value) => `M${LEFT} ${this.y(value).toFixed(1)}H${right}`).join(""));
    const beside = values.map((value) => [LEFT - 7, this.y(value) + 4, tickText(value, places), "end"]);
    const digits = step < 6e7 ? 8 : 5;
    const below = times.map((time) => [Math.min(this.x(time), right - 18), HEIGHT - 5, clockText(time, 0).slice(0, digits), "middle"]);
    relabel(this.plot.labels, [...beside, ...below.filter(([x]) => x > LEFT + 8)]);
  }

  drawRange([least, most]) {
    const { low, high } = this.metric;
    const is = typeof low === "number" && typeof high === "number" && low < high;
    const [top, foot] = is ? [Math.min(high, most), Math.max(low, least)] : [least, least];
    set(this.plot.range, "x", LEFT);
    set(this.plot.range, "width", Math.max(0, this.width - RIGHT - LEFT));
    set(this.plot.range, "y", this.y(top).toFixed(1));
    set(this.plot.range, "height", Math.max(0, this.y(foot) - this.y(top)).toFixed(1));
    const seen = is ? [low, high].filter((limit) => limit > least && limit < most) : [];
    set(this.plot.limits, "d", seen.map((limit) => `M${LEFT} ${this.y(limit).toFixed(1)}H${this.width - RIGHT}`).join(""));
  }

  outsidePath(points) {
    const { low, high } = this.metric;
    if (typeof low !== "number" || typeof high !== "number") return "";
    const those = points.filter(({ value }) => value < low || value > high).slice(-OUTSIDE_MOST);
    return those.map(({ time, value }) => `M${this.x(time).toFixed(1)} ${this.y(value).toFixed(1)}h0`).join("");
  }

  drawChosen() {
    const { chosen, plot } = this;
    const gone = !chosen || chosen.time < this.from;
    set(plot.mark, "visibility", gone ? "hidden" : "visible");
    set(plot.cursor, "d", gone ? "" : `M${this.x(chosen.time).toFixed(1)} ${TOP}V${HEIGHT - FOOT}`);
    if (gone) return;
    set(plot.mark, "cx", this.x(chosen.time).toFixed(1));
    set(plot.mark, "cy", this.y(chosen.value).toFixed(1));
  }

  choose(index) {
    const point = this.series.points[index];
    if (!point) return;
    this.chosen = point;
    const words = `${valueText(point.value)} ${unitText(this.metric.unit)} at ${clockText(point.time)}, message ${point.seq}`;
    say(this.words, words);
    set(this.svg, "aria-valuetext", words);
    set(this.svg, "aria-valuemax", this.series.points.length - 1);
    set(this.svg, "aria-valuenow", index);
    this.button.disabled = false;
    nextFrame(this.draw);
  }

  wire() {
    const at = ({ clientX }) => {
      if (!this.x) return;
      const { left } = this.svg.getBoundingClientRect();
      const share = (clientX - left - LEFT) / (this.width - RIGHT - LEFT);
      this.choose(this.series.nearest(this.from + share * (this.to - this.from)));
    };
    this.svg.addEventListener("pointermove", at);
    this.svg.addEventListener("pointerdown", at);
    // A finger only chooses: it hides what it points at; the button proves.
    this.svg.addEventListener("click", (event) => {
      if (event.pointerType !== "touch" && this.chosen) this.prove(this.chosen);
    });
    this.svg.addEventListener("keydown", (event) => this.press(event));
    this.sizes = new ResizeObserver(([{ contentRect }]) => {
      this.width = Math.round(contentRect.width);
      set(this.svg, "viewBox", `0 0 ${this.width} ${HEIGHT}`);
      set(this.plot.clip.firstChild, "width", Math.max(0, this.width - RIGHT - LEFT + 4));
      nextFrame(this.draw);
    });
    this.sizes.observe(this.svg);
  }

  press(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const last = this.series.points.length - 1;
    const here = this.chosen ? this.series.points.indexOf(this.chosen) : last + 1;
    const first = this.series.nearest(this.from ?? 0);
    const to = {
      ArrowLeft: here - 1, ArrowRight: here + 1, ArrowDown: here - 1, ArrowUp: here + 1,
      PageDown: here - 10, PageUp: here + 10, Home: first, End: last,
    }[event.key];
    if (to !== undefined) this.choose(Math.max(0, Math.min(last, to)));
    else if ((event.key === "Enter" || event.key === " ") && this.chosen) this.prove(this.chosen);
    else return;
    event.preventDefault();
  }
}

/** Labels of an axis, from those that are there already. */
function relabel(group, wanted) {
  while (group.childElementCount < wanted.length) group.append(shape("text"));
  while (group.childElementCount > wanted.length) group.lastChild.remove();
  wanted.forEach(([x, y, words, anchor], index) => {
    const node = group.children[index];
    set(node, "x", x.toFixed(1));
    set(node, "y", y.toFixed(1));
    set(node, "text-anchor", anchor);
    say(node, words);
  });
}
