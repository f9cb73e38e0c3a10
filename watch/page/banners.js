// What is not there at the moment, said at the top of every view.

import { icon, make, say, set } from "./dom.js";
import { factory, listen } from "./factory.js";

const MISSING = [
  ["live", "No live values: the broker does not answer. What is stored and in the log is still shown; the server tries again by itself."],
  ["store", "The store does not answer: no history and no counts. Live values go on."],
  ["log", "The log is not there: nothing shown here is anchored, and no proof can be made."],
];
const LOST = "The server of this page does not answer. What you see is as old as it says; the page tries again by itself.";

/** Say it, now and whenever it changes. */
export function banners() {
  listen("status", show);
  listen("connected", show);
}

function show() {
  const box = document.getElementById("banners");
  const words = said();
  if (box.dataset.said !== words.join("\n")) {
    box.dataset.said = words.join("\n");
    box.replaceChildren(...words.map((one) => make("p", { class: "banner" }, icon("alarm"), make("span", {}, one))));
  }
  const pulse = document.getElementById("pulse");
  const live = factory.connected && factory.status?.live === true;
  say(pulse, live ? "live" : "not live");
  set(pulse, "data-live", live);
}

function said() {
  if (!factory.connected && factory.status) return [LOST];
  const { why = {}, not_shown: more = 0 } = factory.status ?? {};
  const missing = MISSING.filter(([name]) => factory.status?.[name] === false);
  const words = missing.map(([name, meaning]) => (why[name] ? `${meaning} (${why[name]})` : meaning));
  return more ? [...words, `${more} more machines are heard than this page shows.`] : words;
}
