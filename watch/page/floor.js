// The factory floor: a tile for each machine, by area and line. A thousand of them: only tiles
// on the screen are drawn, and of those only what changed.

import { make, say, set } from "./dom.js";
import { factory, listen } from "./factory.js";
import { Attention } from "./attention.js";
import { Filter } from "./filter.js";
import { nextFrame } from "./frame.js";
import { rove } from "./roving.js";
import { Tile } from "./tile.js";

const TICK_MS = 1000;
const WIDEST = 6;

/** Show the floor in `root`; what it gives ends it. */
export function floor(root, { from }) {
  const shown = new Floor(root);
  shown.build();
  if (from) shown.focus(from);
  return () => shown.end();
}

class Floor {
  constructor(root) {
    this.tiles = new Map();
    this.visible = new Set();
    this.changed = new Set();
    this.filter = new Filter(() => nextFrame(this.sift));
    this.attention = new Attention();
    this.body = make("div");
    this.empty = make(
      "p", { class: "empty", hidden: true },
      "No machine has been heard yet. ", make("code", {}, "factoryledger simulate"), " starts some.",
    );
    root.append(this.filter.node, this.attention.node, this.empty, this.body);
    this.seen = new IntersectionObserver((entries) => this.look(entries), { rootMargin: "200px" });
    this.build = this.build.bind(this);
    this.draw = this.draw.bind(this);
    this.sift = this.sift.bind(this);
    this.tick = this.tick.bind(this);
    this.ends = [
      listen("all", () => nextFrame(this.build)),
      listen("machines", (machines) => this.take(machines)),
      rove(this.body, ".tile"),
    ];
    this.clock = setInterval(() => nextFrame(this.tick), TICK_MS);
  }

  end() {
    clearInterval(this.clock);
    this.seen.disconnect();
    for (const end of this.ends) end();
  }

  /** Every machine shown; areas and lines are made anew only where a machine came, went or moved. */
  build() {
    const machines = [...factory.machines.values()].sort(byPlace);
    const places = machines.map(place).join("\n");
    for (const machine of machines) {
      const tile = this.tiles.get(machine.device);
      if (tile) tile.show(machine);
      else this.tiles.set(machine.device, new Tile(machine));
    }
    for (const device of this.tiles.keys()) if (!factory.machines.has(device)) this.tiles.delete(device);
    if (places !== this.places) this.lay(machines);
    this.places = places;
    this.empty.hidden = this.tiles.size > 0 || !factory.known;
    this.sift();
  }

  lay(machines) {
    const sites = new Map();
    for (const { device, enterprise, site, area, line } of machines) {
      const areas = entry(sites, [enterprise, site].filter(Boolean).join(" / ") || "No site", () => new Map());
      entry(entry(areas, area || "No area", () => new Map()), line || "No line", () => []).push(this.tiles.get(device));
    }
    this.seen.disconnect();
    this.visible.clear();
    this.body.replaceChildren(...[...sites].map(([name, areas]) => siteOf(name, areas)));
    for (const tile of this.tiles.values()) {
      tile.link.tile = tile;
      this.seen.observe(tile.link);
    }
  }

  take(machines) {
    for (const { device } of machines) {
      const machine = factory.machines.get(device);
      const tile = this.tiles.get(device);
      if (!tile || place(tile.machine) !== place(machine)) nextFrame(this.build);
      if (!tile) continue;
      tile.machine = machine;
      this.changed.add(tile);
    }
    nextFrame(this.draw);
  }

  look(entries) {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) this.visible.add(target.tile);
      else this.visible.delete(target.tile);
    }
    nextFrame(this.draw);
  }

  draw() {
    for (const tile of this.changed) {
      if (!this.visible.has(tile)) continue;
      tile.show(tile.machine);
      this.changed.delete(tile);
    }
  }

  tick() {
    for (const tile of this.visible) tile.showState();
    this.sift();
  }

  /** Count, and hide what is filtered away. */
  sift() {
    const tiles = [...this.tiles.values()];
    this.filter.count(tiles);
    this.attention.show(tiles);
    for (const tile of tiles) hide(tile.node, !this.filter.wants(tile));
    for (const part of this.body.querySelectorAll(".line-part, .area, .site")) hide(part, !part.querySelector("li:not([hidden])"));
    const first = this.body.querySelector(".tile[tabindex='0']");
    if (!first || first.closest("[hidden]")) {
      if (first) set(first, "tabindex", "-1");
      const next = this.body.querySelector("li:not([hidden]) .tile");
      if (next) set(next, "tabindex", "0");
    }
  }

  focus(device) {
    const tile = this.tiles.get(device);
    if (!tile) return;
    for (const other of this.body.querySelectorAll(".tile[tabindex='0']")) set(other, "tabindex", "-1");
    set(tile.link, "tabindex", "0");
    tile.link.focus();
  }
}

function hide(node, hidden) {
  if (node.hidden !== hidden) node.hidden = hidden;
}

function siteOf(name, areas) {
  const parts = [...areas].map(([area, lines]) => areaOf(area, lines));
  return make("section", { class: "site" }, make("h2", {}, name), make("div", { class: "areas" }, ...parts));
}

/** An area as wide as its longest line wants, where there is room beside others. */
function areaOf(name, lines) {
  const widest = Math.max(...[...lines.values()].map(({ length }) => length));
  const parts = [...lines].map(([line, tiles]) => lineOf(line, tiles));
  return make("section", { class: "area", "data-wide": Math.min(widest, WIDEST) }, make("h3", {}, name), ...parts);
}

function lineOf(name, tiles) {
  const count = make("span", { class: "soft" });
  say(count, tiles.length === 1 ? "1 machine" : `${tiles.length} machines`);
  return make(
    "section", { class: "line-part" },
    make("h4", {}, name, " ", count), make("ul", { class: "tiles" }, ...tiles.map(({ node }) => node)),
  );
}

function entry(map, key, fresh) {
  if (!map.has(key)) map.set(key, fresh());
  return map.get(key);
}

function place({ enterprise, site, area, line, device }) {
  return JSON.stringify([enterprise, site, area, line, device]);
}

function byPlace(one, other) {
  return place(one).localeCompare(place(other), "en", { numeric: true });
}
