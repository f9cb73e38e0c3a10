// JSON (RFC 8259) that every reader takes for the same value, or a refusal
// (telemetry/strict_json.py). Integers are BigInt, other numbers Number, objects Map.

import { repr } from "./words.js";
import { MAX_NUMBER, refuse, wellFormed } from "./bytes.js";



const MAX_DEPTH = 32;
const MAX_NUMBER_LENGTH = 64;
const MIN_INTEGER = -(2n ** 63n);

const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const SPACE = /[ \t\n\r]*/y;

class JsonReader {
  constructor(text, allowNul) {
    this.text = text;
    this.at = 0;
    this.allowNul = allowNul;
  }

  take(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at = pattern.lastIndex;
    return found;
  }

  next(character) {
    this.take(SPACE);
    if (this.text[this.at] !== character) return false;
    this.at += 1;
    return true;
  }

  due(character) {
    if (!this.next(character)) this.fail();
  }

  fail() {
    refuse(`not JSON: character ${this.at} is another than expected`);
  }

  value(depth) {
    this.take(SPACE);
    const first = this.text[this.at];
    if (first === "{" || first === "[") {
      if (depth === MAX_DEPTH) refuse(`nested more than ${MAX_DEPTH} deep`);
      return first === "{" ? this.object(depth + 1) : this.list(depth + 1);
    }
    if (first === '"') return this.string();
    for (const [word, value] of [["true", true], ["false", false], ["null", null]]) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    return this.number();
  }

  object(depth) {
    const members = new Map();
    this.due("{");
    if (this.next("}")) return members;
    do {
      this.take(SPACE);
      const name = this.string();
      if (members.has(name)) refuse(`an object has two members ${repr(name.slice(0, 40))}`);
      this.due(":");
      members.set(name, this.value(depth));
    } while (this.next(","));
    this.due("}");
    return members;
  }

  list(depth) {
    const found = [];
    this.due("[");
    if (this.next("]")) return found;
    do found.push(this.value(depth));
    while (this.next(","));
    this.due("]");
    return found;
  }

  string() {
    const start = this.at;
    if (this.text[start] !== '"') this.fail();
    this.at += 1;
    // Character by character: a payload of many megabytes is one string.
    for (let code = this.text.charCodeAt(this.at); code !== 0x22; code = this.text.charCodeAt(this.at)) {
      if (code === 0x5c) {
        if (!this.take(ESCAPE)) this.fail();
      } else if (code >= 0x20) {
        this.at += 1;
      } else {
        this.fail();
      }
      if (this.at >= this.text.length) this.fail();
    }
    this.at += 1;
    const text = JSON.parse(this.text.slice(start, this.at));
    if (!this.allowNul && text.includes("\0")) refuse("a string holds U+0000");
    if (!wellFormed(text)) refuse("a string holds a lone surrogate");
    return text;
  }

  number() {
    const found = this.take(NUMBER);
    if (!found) this.fail();
    const [literal, fraction, exponent] = found;
    if (literal.length > MAX_NUMBER_LENGTH) refuse(`a number of more than ${MAX_NUMBER_LENGTH} characters`);
    if (fraction !== undefined || exponent !== undefined || literal === "-0") {
      const real = Number(literal);
      if (!Number.isFinite(real)) refuse(`a number that is not finite: ${literal}`);
      return real;
    }
    const whole = BigInt(literal);
    if (whole < MIN_INTEGER || whole > MAX_NUMBER) refuse(`an integer beyond 64 bits: ${literal}`);
    return whole;
  }
}

/** One JSON value; a U+0000 in a string only where `allowNul`. */
export function readJson(text, allowNul = false) {
  const reader = new JsonReader(text, allowNul);
  const value = reader.value(0);
  reader.take(SPACE);
  if (reader.at !== text.length) reader.fail();
  return value;
}
