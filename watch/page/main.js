// The page: one view at a time, by the address after the #.

import { alarms } from "./alarms.js";
import { ask, post, whenLocked } from "./api.js";
import { banners } from "./banners.js";
import { devices } from "./devices.js";
import { make, say, set } from "./dom.js";
import { factory, listen, takeStatus } from "./factory.js";
import { floor } from "./floor.js";
import { history } from "./history.js";
import { follow, hush } from "./live.js";
import { log } from "./log.js";
import { login } from "./login.js";
import { machine } from "./machine.js";
import { messages } from "./messages.js";
import { pipeline } from "./pipeline.js";
import { theme } from "./theme.js";

const VIEWS = new Map([
  ["floor", ["Factory floor", floor]], ["alarms", ["Alarms and gaps", alarms]], ["pipeline", ["Pipeline", pipeline]],
  ["log", ["Log", log]], ["history", ["History", history]],
  ["messages", ["Messages", messages]], ["devices", ["Devices and keys", devices]],
]);
const AGAIN_MS = 3000;
const content = document.getElementById("content");
const logout = document.getElementById("logout");
let leave = () => {};
let came = "";
let locked = false;

function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/");
  return { name: name || "floor", rest: rest.map(decoded), query: new URLSearchParams(query) };
}

// An address may be written by anybody.
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function show({ first = false } = {}) {
  if (locked) return;
  const { name, rest, query } = route();
  leave();
  const [device] = rest;
  const [title, view] = name === "machine" && device ? [device, machine] : VIEWS.get(name) ?? VIEWS.get("floor");
  const back = view === machine ? make("a", { href: "#/floor", class: "back" }, "Factory floor") : null;
  const heading = make("h1", { tabindex: "-1" }, title);
  const body = make("div", { class: "view" });
  content.replaceChildren(make("div", { class: "title" }, back, heading), body);
  document.title = `${heading.textContent} · factoryledger`;
  for (const link of document.querySelectorAll("#views a")) {
    if (link.dataset.view === (view === machine ? "floor" : name)) {
      set(link, "aria-current", "page");
      link.scrollIntoView({ block: "nearest", inline: "center" });
    } else link.removeAttribute("aria-current");
  }
  if (!first && !came) heading.focus({ preventScroll: true });
  if (!first && !came) scrollTo(0, 0);
  leave = view(body, { device, query, from: view === floor ? came : "" });
  came = "";
}

function navigation() {
  const links = [...VIEWS].map(([name, [title]]) => make("a", { href: `#/${name}`, "data-view": name }, title));
  document.getElementById("views").append(...links);
  document.getElementById("skip").addEventListener("click", (event) => {
    event.preventDefault();
    content.focus();
  });
  document.addEventListener("keydown", (event) => {
    const { name, rest } = route();
    if (event.key !== "Escape" || name !== "machine" || event.defaultPrevented) return;
    [came] = rest;
    location.hash = "#/floor";
  });
}

function lock() {
  if (locked) return;
  locked = true;
  hush();
  leave();
  leave = () => {};
  logout.hidden = true;
  document.title = "Log in · factoryledger";
  login(content, () => {
    locked = false;
    start();
  });
}

/** Ask who is there; then show, and listen. */
async function start() {
  try {
    takeStatus(await ask("/api/v1/status"));
  } catch (error) {
    if (locked || error.status === 401) return;
    content.replaceChildren(make("p", { class: "empty" }, `${error.message}. ${error.attempt ?? ""}`));
    setTimeout(start, AGAIN_MS);
    return;
  }
  if (locked) return;
  logout.hidden = factory.status.login !== "done";
  show({ first: true });
  follow(route().name === "machine" ? route().rest[0] : "");
}

listen("status", (status) => say(document.querySelector(".brand span"), status?.name || "factoryledger"));
logout.addEventListener("click", async () => {
  await post("/logout").catch(() => {});
  lock();
});
addEventListener("hashchange", () => show());
whenLocked(lock);
listen("locked", lock);
theme(document.getElementById("theme"));
navigation();
banners();
start();
