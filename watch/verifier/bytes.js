// Bytes, text and their one spelling: UTF-8, base64, escaped strings, numbers, times.
// What Python's side refuses is refused here (telemetry/canonical.py, anchor/spelling.py).

import { repr } from "./words.js";



/** What a format does not allow, or what does not hold; its message says which. */
export class Refused extends Error {}

/** What cannot be decided here, though the command may. */
export class Undecided extends Error {}

export const MAX_NUMBER = 2n ** 63n - 1n;
export const END_OF_TIME = 253402300800000000n;
export const SECOND = 1000000n;
export const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function refuse(reason) {
  throw new Refused(reason);
}

export function utf8(text) {
  return new TextEncoder().encode(text);
}

/** Decode UTF-8 strictly; a byte-order mark is a character like any other. */
export function decoded(data, what) {
  try {
    return strictUtf8.decode(data);
  } catch {
    return refuse(`${what} is not UTF-8`);
  }
}

export function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function isSame(one, other) {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

export function hex(data) {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function unhex(text) {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function b64(data) {
  const parts = [];
  for (let at = 0; at < data.length; at += 0x6000) {
    parts.push(btoa(String.fromCharCode(...data.subarray(at, at + 0x6000))));
  }
  return parts.join("");
}

/** Decode base64 that is exactly what encoding gives again. */
export function octets(text, what, length = null) {
  if (typeof text !== "string" || !/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4) {
    refuse(`${what} is not canonical base64`);
  }
  const data = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  // The unused bits of the last character could be anything; one spelling has them zero.
  if (b64(data.subarray(data.length - (data.length % 3))) !== (data.length % 3 ? text.slice(-4) : "")) {
    refuse(`${what} is not canonical base64`);
  }
  if (length !== null && data.length !== length) {
    refuse(`${what} is not canonical base64 of ${length} bytes: base64 of ${data.length} bytes where ${length} are wanted`);
  }
  return data;
}

/** An ASCII decimal from 0 to 2^63-1 without leading zeros, as a BigInt. */
export function decimal(text, what) {
  if (!/^(0|[1-9][0-9]{0,18})$/.test(text) || BigInt(text) > MAX_NUMBER) {
    refuse(`${what} is not a decimal from 0 to 2^63-1 without leading zeros: ${repr(text.slice(0, 40))}`);
  }
  return BigInt(text);
}

export async function sha256(data) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", data));
}

const ESCAPES = { '"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** A string in JSON as the ledger writes it: all ASCII. */
export function quote(text) {
  if (!wellFormed(text)) refuse("a string holds a lone surrogate, which no UTF-8 has");
  const escaped = text.replace(
    /["\\]|[^ -~]/g,
    (one) => ESCAPES[one] ?? `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `"${escaped}"`;
}

export function wellFormed(text) {
  return !/\p{Surrogate}/u.test(text);
}

export function isSegment(text) {
  return /^[a-z0-9_-]{1,64}$/.test(text);
}

export function isKeyId(text) {
  return /^[0-9a-f]{16}$/.test(text);
}

/** Microseconds since the epoch of `YYYY-MM-DDThh:mm:ss.ffffffZ`, a real time from 1970 on. */
export function timeUs(text) {
  const found = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{6})Z$/.exec(text);
  if (!found || found[1] < "1970") refuse(`not a time like 2026-11-23T08:00:00.000000Z: ${repr(text.slice(0, 40))}`);
  const moment = new Date(`${text.slice(0, 19)}.000Z`);
  // Some dates that no calendar has are rolled over: what comes back must be the same.
  if (Number.isNaN(moment.getTime()) || moment.toISOString().slice(0, 19) !== text.slice(0, 19)) {
    refuse(`no calendar has ${text}`);
  }
  return BigInt(moment.getTime()) * 1000n + BigInt(found[7]);
}

export function timeText(us) {
  if (us < 0n || us >= END_OF_TIME) refuse(`time ${us} is outside of the years 1970 to 9999`);
  const second = new Date(Number(us / SECOND) * 1000).toISOString().slice(0, 19);
  return `${second}.${String(us % SECOND).padStart(6, "0")}Z`;
}
