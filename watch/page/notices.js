// Short words on what was just done, said aloud once and gone after a while.

import { make } from "./dom.js";

const STAYS_MS = 12_000;
const MOST = 3;

/** Say something; `kind` is good, bad or nothing; nodes, such as links, may follow the words. */
export function notice(kind, words, ...more) {
  const box = document.getElementById("notices");
  const close = make("button", { type: "button", class: "close", "aria-label": "Close this notice", click: () => node.remove() }, "×");
  const node = make("div", { class: "notice", "data-kind": kind }, make("p", {}, words, ...more.flatMap((one) => [" ", one])), close);
  box.append(node);
  while (box.childElementCount > MOST) box.firstChild.remove();
  setTimeout(() => node.remove(), STAYS_MS);
}
