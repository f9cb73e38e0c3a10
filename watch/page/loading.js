// A view that is asked for anew when something happened, not more often than it can be read.

import { make } from "./dom.js";

const APART_MS = 1000;

/** Fill `root` by `load` (async, gives nodes) now and again at `again()`; `end()` ends it. */
export function loading(root, load) {
  let [ended, busy, wanted, timer] = [false, false, false, 0];
  const run = async () => {
    [busy, wanted] = [true, false];
    let nodes;
    try {
      nodes = await load();
    } catch (error) {
      nodes = [make("p", { class: "empty" }, `${error.message}. ${error.attempt ?? ""}`)];
    }
    if (ended) return;
    refill(root, nodes);
    timer = setTimeout(() => {
      busy = false;
      if (wanted) run();
    }, APART_MS);
  };
  run();
  return {
    again: () => {
      wanted = true;
      if (!busy) run();
    },
    end: () => {
      ended = true;
      clearTimeout(timer);
    },
  };
}

/** New content, with focus and open details where they were. */
function refill(root, nodes) {
  const stops = "a[href], button, summary, input, select";
  const focused = [...root.querySelectorAll(stops)].indexOf(document.activeElement);
  const opened = new Set([...root.querySelectorAll("details[open]")].map(({ dataset }) => dataset.key));
  root.replaceChildren(...nodes);
  for (const one of root.querySelectorAll("details")) if (opened.has(one.dataset.key)) one.open = true;
  if (focused >= 0) root.querySelectorAll(stops)[focused]?.focus();
}
