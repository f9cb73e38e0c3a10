// Somebody's words within a line for people, and numbers, spelled as the command spells them.

const HIDDEN = /[\p{C}\p{Z}]/u;

function isPrintable(one) {
  return one === " " || !HIDDEN.test(one);
}

function escaped(one) {
  const named = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[one];
  if (named) return named;
  const code = one.codePointAt(0);
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
  if (code < 0x10000) return `\\u${code.toString(16).padStart(4, "0")}`;
  return `\\U${code.toString(16).padStart(8, "0")}`;
}

/** Text without what a terminal, or an eye, would not just show. */
export function plain(text) {
  return Array.from(text, (one) => (isPrintable(one) ? one : escaped(one))).join("");
}

/** A string in quotes, as Python shows it. */
export function repr(text) {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const shown = Array.from(text, (one) => {
    if (one === mark || one === "\\") return `\\${one}`;
    return isPrintable(one) ? one : escaped(one);
  });
  return mark + shown.join("") + mark;
}

/** A 64-bit float in the fewest digits that give it again, as Python writes it. */
export function floatText(value) {
  const sign = Object.is(value, -0) || value < 0 ? "-" : "";
  const [digits, exponent] = Math.abs(value).toExponential().split("e");
  const all = digits.replace(".", "");
  const power = Number(exponent);
  if (power < -4 || power >= 16) {
    const places = String(Math.abs(power)).padStart(2, "0");
    return `${sign}${digits}e${power < 0 ? "-" : "+"}${places}`;
  }
  if (power < 0) return `${sign}0.${"0".repeat(-power - 1)}${all}`;
  const whole = all.slice(0, power + 1).padEnd(power + 1, "0");
  return `${sign}${whole}.${all.slice(power + 1) || "0"}`;
}
