// One machine: what state it is in, and a live chart for each metric.

import { ask } from "./api.js";
import { correctionsOf } from "./corrected.js";
import { icon, make, say, set } from "./dom.js";
import { Chart } from "./chart.js";
import { ageOf, factory, listen, serverNow } from "./factory.js";
import { follow } from "./live.js";
import { prove } from "./prove.js";
import { stateOf } from "./states.js";
import { part } from "./table.js";
import { clockText, dayText, millis, spanText } from "./units.js";

const WINDOWS = [[1, "1 min"], [5, "5 min"], [15, "15 min"]];
const MINUTE_US = 6e7;
const KEPT_US = 20 * MINUTE_US;
// Whether it holds, the collector says when it stores the message.
const SIGNATURES = {
  verified: "verified: by an enrolled key", signed: "there; the collector checks it", unsigned: "none",
  "unknown-device": "by a key that nobody enrolled", "bad-signature": "does not hold", revoked: "by a key that was revoked or replaced",
  malformed: "not well-formed", unchecked: "not checked: too many messages",
};
const EARLY_MOST = 100;
const CHARTS_MOST = 64;
const CORRECTIONS_MOST = 20;
const CORRECTIONS_EVERY_MS = 5000;

/** Show the machine that the address names. */
export function machine(root, { device }) {
  const shown = new Machine(root, device);
  shown.load();
  return () => shown.end();
}

class Machine {
  constructor(root, device) {
    this.device = device;
    this.charts = new Map();
    this.early = [];
    this.loaded = false;
    this.span = 5 * MINUTE_US;
    this.icon = icon("idle");
    this.words = make("span", {}, "…");
    this.state = make("p", { class: "big-state" }, this.icon, this.words);
    this.facts = make("dl", { class: "facts" });
    this.alarms = make("ul", { class: "attention-list", hidden: true });
    this.grid = make("div", { class: "charts" });
    this.problem = make("p", { class: "empty", hidden: true });
    this.corrected = make("ul", {});
    this.corrections = part("Corrections of its stored readings", this.corrected);
    this.corrections.hidden = true;
    root.append(this.state, this.facts, this.alarms, this.windows(), this.problem, this.grid, this.corrections);
    this.ends = [
      listen("readings", (news) => news.device === device && this.takeReadings(news)),
      listen("machines", (machines) => machines.some((one) => one.device === device) && this.showState()),
      listen("all", () => this.load()),
    ];
    this.clock = setInterval(() => this.showState(), 1000);
    this.calendar = setInterval(() => this.loadCorrections(), CORRECTIONS_EVERY_MS);
    this.showState();
    follow(device);
  }

  end() {
    this.ended = true;
    clearInterval(this.clock);
    clearInterval(this.calendar);
    for (const end of this.ends) end();
    for (const chart of this.charts.values()) chart.end();
    follow();
  }

  async load() {
    try {
      const known = await ask(`/api/v1/machines/${encodeURIComponent(this.device)}`);
      if (this.ended) return;
      this.key = known.key;
      this.problem.hidden = true;
      this.loaded = true;
      for (const metric of known.metrics) this.chartOf(metric.name, metric);
      for (const [name, points] of Object.entries(known.recent)) {
        this.chartOf(name)?.add(points.map(([time, value, session, seq]) => ({ time, value, session, seq })));
      }
      for (const news of this.early.splice(0)) this.takeReadings(news);
      this.showState();
      this.findGateway();
      this.loadCorrections();
    } catch (error) {
      this.problem.hidden = this.charts.size > 0;
      say(this.problem, `${error.message}. ${error.attempt ?? ""}`);
    }
  }

  /** Who holds the machine's key, if it cannot sign; without a log nobody can say. */
  async findGateway() {
    const { devices } = await ask("/api/v1/devices").catch(() => ({ devices: [] }));
    if (this.ended) return;
    this.gateway = devices.findLast(({ device, kind }) => device === this.device && kind === "device")?.signed_by_gateway;
    this.showState();
  }

  async loadCorrections() {
    let corrections;
    try {
      ({ corrections } = await ask("/api/v1/corrections", { device: this.device }));
    } catch {
      return; // Without store or log, what was shown stays.
    }
    if (this.ended) return;
    this.corrections.hidden = corrections.length === 0;
    this.corrected.replaceChildren(...correctionsOf(corrections.slice(0, CORRECTIONS_MOST)));
  }

  takeReadings(news) {
    // Units and ranges come first; until then readings wait.
    if (!this.loaded) {
      this.early = [...this.early, news].slice(-EARLY_MOST);
      return;
    }
    const { points } = news;
    for (const [time, readings, session, seq, heard] of points) {
      for (const [name, value] of Object.entries(readings)) this.chartOf(name)?.add([{ time, value, session, seq }], heard);
    }
    for (const { series } of this.charts.values()) if (series.last) series.dropBefore(series.last.time - KEPT_US);
  }

  chartOf(name, metric = { name }) {
    const known = this.charts.get(name);
    if (known) return known;
    if (this.charts.size >= CHARTS_MOST) return null;
    const chart = new Chart(metric, (point) => prove({ device: this.device, session: point.session, seq: point.seq }));
    chart.show(this.span);
    this.charts.set(name, chart);
    this.grid.append(chart.node);
    return chart;
  }

  showState() {
    const known = factory.machines.get(this.device);
    if (!known) return;
    const age = ageOf(known);
    const { icon: name, level, words } = stateOf(known, age);
    set(this.icon.firstChild, "href", `#icon-${name}`);
    set(this.state, "data-level", level);
    const lasts = spanText((serverNow() - millis(known.since)) / 1000);
    const since = known.since ? ` for ${lasts}, since ${clockText(known.since, 0)} UTC` : "";
    say(this.words, level === "gone" && age !== null ? `${words}${since}; silent for ${spanText(age)}` : `${words}${since}`);
    this.showFacts(known);
    const said = known.alarms.map(({ kind, detail, since: from }) => `${detail || kind}, since ${dayText(from)}`);
    const key = said.join("\n");
    if (key === this.said) return;
    this.said = key;
    this.alarms.hidden = said.length === 0;
    this.alarms.replaceChildren(...said.map((one) => make("li", {}, make("span", { "data-level": "bad" }, icon("alarm"), make("span", {}, one)))));
  }

  showFacts(known) {
    const rows = [
      ["Place", [known.enterprise, known.site, known.area, known.line].filter(Boolean).join(" / ")],
      ["Signature", SIGNATURES[known.signature]], ["Session", known.session], ["Newest message", known.seq],
      ["Signed by", this.gateway && `the gateway ${this.gateway} on behalf of the machine; what happened between machine and gateway is not proved`],
      ["Its time", known.time && `${clockText(known.time)} UTC`], ["Key", this.key],
    ];
    const wanted = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
    if (this.facts.childElementCount !== wanted.length) {
      this.facts.replaceChildren(...wanted.map(([label]) => make("div", { class: label === "Place" && "wide" }, make("dt", {}, label), make("dd"))));
    }
    wanted.forEach(([label, value], index) => {
      const [term, definition] = this.facts.children[index].children;
      say(term, label);
      say(definition, value);
      set(definition, "title", value);
    });
  }

  windows() {
    const buttons = WINDOWS.map(([minutes, words]) => {
      const button = make("button", { type: "button", class: "chip", "aria-pressed": String(minutes * MINUTE_US === this.span) }, words);
      button.addEventListener("click", () => {
        this.span = minutes * MINUTE_US;
        for (const one of buttons) set(one, "aria-pressed", String(one === button));
        for (const chart of this.charts.values()) chart.show(this.span);
      });
      return button;
    });
    const query = new URLSearchParams({ device: this.device });
    return make(
      "div", { class: "bar" },
      make("div", { class: "chips", role: "group", "aria-label": "How much the charts show" }, ...buttons),
      make("a", { href: `#/history?${query}` }, "History"),
      make("a", { href: "/verifier", target: "_blank" }, "Verifier page"),
    );
  }
}
