// Fetches the proof of a message and gives it to the reader as a file.

import { answer } from "./api.js";
import { make } from "./dom.js";
import { notice } from "./notices.js";

const NAMED = /filename="([\w.-]{1,200})"/;

/** Download the proof of { device, session, seq } or of { collector, position }. */
export async function prove(message) {
  if (Object.values(message).some((one) => typeof one === "number" && !Number.isSafeInteger(one))) {
    notice("bad", "This number is larger than a browser counts; `factoryledger prove` takes it.");
    return;
  }
  if (message.seq === null) {
    notice("bad", "This message carries no number to ask by; in History each has its place in the store.");
    return;
  }
  try {
    const response = await answer("/api/v1/proof", message);
    const name = NAMED.exec(response.headers.get("Content-Disposition") ?? "")?.[1] ?? "message.proof";
    save(await response.blob(), name);
    notice("good", `${name} is downloaded.`, make("a", { href: "/verifier", target: "_blank" }, "Check it in the verifier page"));
  } catch (error) {
    notice("bad", sentence(error.message), error.attempt ? sentence(error.attempt) : "");
  }
}

/** A button that proves one message. */
export function proveButton(message, of) {
  return make("button", { type: "button", class: "small", "aria-label": `Prove ${of}`, click: () => prove(message) }, "Prove");
}

function save(blob, name) {
  const href = URL.createObjectURL(blob);
  make("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
}

function sentence(words) {
  const text = words[0].toUpperCase() + words.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
