// Corrections: the operator's signed word on the message that a proof is of, which stays as it
// is (anchor/correction.py, correction_words.py, correction_order.py, proving/corrections.py).

import { repr } from "./words.js";
import { decimal, hex, isSegment, quote, refuse, sha256, timeUs, utf8 } from "./bytes.js";
import { checkSigned, readNote } from "./note.js";
import { checkInclusion, leafHash } from "./merkle.js";



const CORRECTION = "factoryledger correction v1";
const CORRECTION_KINDS = ["correction", "annotation", "withdrawal"];
const MEANINGS = ["authorship", "review", "approval", "responsibility"];
const MAX_REASON = 2000;
const MAX_WORDS = 200;
const MAX_DIGITS = 48;
const MOST_CORRECTIONS = 1000;
const SHA256_TEXT = /^[0-9a-f]{64}$/;
const NUMBER_TEXT = /^-?(?:0|[1-9][0-9]{0,38})(?:\.[0-9]{1,38})?(?:[eE][+-]?[0-9]{1,4})?$/;
// By ranges, not by this browser's tables: every reader refuses the same.
const UNSEEN = new RegExp(
  "[\\0-\\x1f\\x7f-\\x9f\\xad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f" +
    "\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ud800-\\udfff\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufffb\\ufffe\\uffff" +
    "\\u{1bca0}-\\u{1bca3}\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}]",
  "u",
);

/** Check all corrections of a proof; null where it carries none. */
export async function checkCorrections(file, certified, record, scans, policy) {
  const { corrections, messageProof, checkpointProof } = file;
  if (!corrections) return null;
  const { entries, path } = corrections;
  if (entries.length > MOST_CORRECTIONS) refuse(`it holds ${entries.length}; a proof has at most ${MOST_CORRECTIONS}`);
  const { head } = await policy.open(corrections.checkpoint);
  // The same log: what is corrected stands in this tree too.
  await checkInclusion(messageProof.checkpoint, checkpointProof.index, head.size, path, head.root);
  const subject = await subjectOfProof(certified, messageProof, file.record, record);
  const found = [];
  for (const { entry, index, path: steps } of entries) {
    await checkInclusion(entry, index, head.size, steps, head.root);
    if (found.length && index <= found.at(-1).index) refuse("they do not stand in the log's order");
    const correction = await readCorrection(entry, policy.operator);
    checkAbout(correction, subject, scans);
    checkFollows(correction, found);
    found.push({ ...correction, index, supersededBy: null });
  }
  return { size: head.size, found };
}

async function subjectOfProof({ collector }, messageProof, bytes, { device, session, seq }) {
  return {
    message: `${collector}:${messageProof.index}`,
    leaf: hex(await leafHash(bytes)),
    machine: device === null ? null : `${device} ${session} ${seq}`,
  };
}

function checkAbout({ hash, message, leaf, machine, change }, subject, scans) {
  if (message !== subject.message || leaf !== subject.leaf || machine !== subject.machine) {
    refuse(
      `correction ${hash.slice(0, 16)} is of message ${message} with another record or machine, not of this one`,
    );
  }
  if (!change || !scans) return;
  const isStored = scans.some(
    ({ time, readings }) =>
      time === change.scan &&
      readings.some(([name, value]) => name === change.metric && value === Number(change.original)),
  );
  if (!isStored) {
    refuse(
      `correction ${hash.slice(0, 16)} says that ${change.original} was stored, and the message does not say so`,
    );
  }
}

/** None twice, and what stands is superseded by name. */
function checkFollows({ hash, supersedes, change }, found) {
  if (found.some((one) => one.hash === hash)) refuse(`correction ${hash} is in the log already`);
  const before = found.find((one) => one.hash === supersedes);
  if (supersedes && !before) {
    refuse(`correction ${hash} supersedes ${supersedes}, which is not in the log before it`);
  }
  if (before?.supersededBy) {
    refuse(`correction ${hash} supersedes ${supersedes}, which ${before.supersededBy} superseded already`);
  }
  const there = found.find(
    (one) =>
      one.change &&
      change &&
      !one.supersededBy &&
      one !== before &&
      one.change.metric === change.metric &&
      one.change.scan === change.scan,
  );
  if (there) {
    refuse(`correction ${hash} is of a metric that correction ${there.hash} corrected: it has to supersede that one`);
  }
  if (before) before.supersededBy = hash;
}

// -- one entry ---------------------------------------------------------------------------

/** Check grammar and the operator's signature; gives what the entry says. */
async function readCorrection(entry, operator) {
  const note = readNote(entry);
  if (note.signatures.length !== 1) refuse(`a correction with ${note.signatures.length} signatures instead of one`);
  await checkSigned(note, operator);
  return { ...correctionOf(note.text), hash: hex(await sha256(entry)) };
}

function correctionOf(text) {
  const lines = text.split("\n");
  if (lines.shift() !== CORRECTION) refuse(`not a correction: it starts with ${repr(text.split("\n")[0].slice(0, 100))}`);
  const kind = lines.shift();
  if (!CORRECTION_KINDS.includes(kind)) refuse("a correction of no kind that this page knows (a newer one may)");
  const message = placeOf(neededOf(lines, "message"));
  const leaf = hashOf(neededOf(lines, "record"), "record");
  const machine = optionalOf(lines, "machine");
  if (machine !== null) checkMachine(machine);
  const change = kind === "correction" ? changeOf(lines) : null;
  const supersedes = optionalOf(lines, "supersedes");
  if (supersedes !== null) hashOf(supersedes, "supersedes");
  if (kind === "withdrawal" && supersedes === null) refuse("a withdrawal names the entry that it supersedes");
  const by = plainOf(neededOf(lines, "by"), "by", MAX_WORDS);
  const meaning = neededOf(lines, "meaning");
  if (!MEANINGS.includes(meaning)) refuse(`meaning ${repr(meaning.slice(0, 100))} is none of ${MEANINGS.join(", ")}`);
  const reason = plainOf(neededOf(lines, "reason"), "reason", MAX_REASON);
  const time = timeUs(neededOf(lines, "time"));
  if (lines.length !== 1 || lines[0] !== "") refuse("a correction that is not in its one spelling");
  return { kind, message, leaf, machine, change, supersedes, by, meaning, reason, time };
}

function changeOf(lines) {
  const metric = stringOf(neededOf(lines, "metric"), "metric");
  const length = utf8(metric).length;
  if (!length || length > MAX_WORDS) refuse(`a metric's name has 1 to ${MAX_WORDS} bytes`);
  const scan = timeUs(neededOf(lines, "scan"));
  const original = numberOf(neededOf(lines, "original"), "original");
  const value = numberOf(neededOf(lines, "value"), "value");
  const unit = optionalOf(lines, "unit");
  if (Number(original) === Number(value)) refuse(`the value ${value} is the one that is stored: nothing to correct`);
  return { metric, scan, original, value, unit: unit === null ? null : plainOf(unit, "unit", MAX_WORDS) };
}

function neededOf(lines, name) {
  const line = lines.shift() ?? "";
  if (!line.startsWith(`${name} `)) {
    refuse(`a correction's line ${repr(line.split(" ", 1)[0].slice(0, 40))} stands where ${name} is due`);
  }
  return line.slice(name.length + 1);
}

function optionalOf(lines, name) {
  return lines[0]?.startsWith(`${name} `) ? neededOf(lines, name) : null;
}

function placeOf(text) {
  const [collector, ...position] = text.split(":");
  if (!isSegment(collector)) refuse(`${repr(text.slice(0, 100))} is no message of a collector`);
  return `${collector}:${decimal(position.join(":"), "a message's position")}`;
}

function checkMachine(text) {
  const words = text.split(" ");
  if (words.length !== 3) refuse("a correction's machine is a device, a session and a seq");
  if (!isSegment(words[0]) || !isSegment(words[1])) {
    refuse("a correction's device and session are segments ([a-z0-9_-], 1 to 64)");
  }
  decimal(words[2], "a message's seq");
}

function hashOf(text, what) {
  if (!SHA256_TEXT.test(text)) refuse(`${what} is not 64 lower-case hexadecimal digits`);
  return text;
}

function numberOf(text, what) {
  if (text.length > MAX_DIGITS || !NUMBER_TEXT.test(text) || !Number.isFinite(Number(text))) {
    refuse(`${what} ${repr(text.slice(0, 60))} is not a finite number as JSON writes it`);
  }
  return text;
}

/** A string as JSON escapes it, in its one spelling. */
function stringOf(text, what) {
  let found = null;
  try {
    found = JSON.parse(text);
  } catch {
    refuse(`${what} is not a string as JSON escapes it`);
  }
  if (typeof found !== "string" || quote(found) !== text) {
    refuse(`${what} is not a string in its one spelling, as JSON escapes it`);
  }
  return found;
}

/** Such a string, short enough and wholly seen by whoever reads it. */
function plainOf(text, what, most) {
  const found = stringOf(text, what);
  if (!found.trim()) refuse(`${what} is empty`);
  const unseen = UNSEEN.exec(found);
  if (unseen) {
    const code = unseen[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    refuse(`${what} has a character that nobody would see: U+${code}`);
  }
  if (found !== found.trim()) refuse(`${what} begins or ends with a space`);
  const length = utf8(found).length;
  if (length > most) refuse(`${what} has ${length} bytes; at most ${most}`);
  return found;
}
