// Light or dark: as the reader's machine has it, until the reader says otherwise.

import { say, set } from "./dom.js";

const KEPT = "factoryledger-theme";
const NEXT = { auto: "light", light: "dark", dark: "auto" };
const WORDS = { auto: "Theme: auto", light: "Theme: light", dark: "Theme: dark" };

/** Bring the button to life. */
export function theme(button) {
  let chosen = NEXT[kept()] ? kept() : "auto";
  const apply = () => {
    if (chosen === "auto") document.documentElement.removeAttribute("data-theme");
    else set(document.documentElement, "data-theme", chosen);
    say(button, WORDS[chosen]);
  };
  button.addEventListener("click", () => {
    chosen = NEXT[chosen];
    keep(chosen);
    apply();
  });
  apply();
}

// A browser may forbid a page to keep anything.
function kept() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

function keep(chosen) {
  try {
    localStorage.setItem(KEPT, chosen);
  } catch {
    // Then it holds until the page is left.
  }
}
