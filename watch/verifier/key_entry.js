// Key entries: the operator's signed word on whose key is whose (anchor/key_entry.py), and the
// few of them that one message rests on, as a keyring (telemetry/keyring.py).

import { repr } from "./words.js";
import { hex, isSame, isSegment, octets, refuse, sha256, timeUs, unhex, utf8 } from "./bytes.js";
import { isSignatureOf, weakness } from "./ed25519.js";
import { checkKeyName, checkSigned, readNote } from "./note.js";



const FIRST = "factoryledger key entry v1";
const SECOND_VERSION = "factoryledger key entry v2";
const THIRD_VERSION = "factoryledger key entry v3";
const ENTRY_LINES = {
  "enrol device": [FIRST, ["key", "possession"]],
  "enrol collector": [FIRST, ["key", "possession"]],
  "rotate device": [FIRST, ["key", "prior", "possession"]],
  "rotate collector": [SECOND_VERSION, ["key", "prior", "possession"]],
  "rotate log": [SECOND_VERSION, ["key", "former", "consent", "possession"]],
  "revoke device": [FIRST, ["prior"]],
  "revoke collector": [FIRST, ["prior"]],
  "erase messages": [FIRST, []],
};
// What version 3 can say: that a gateway holds a machine's key.
const GATEWAY_LINES = {
  "enrol device": ["signed-by", "key", "possession"],
  "rotate device": ["signed-by", "key", "prior", "possession"],
};
export const STATUSES = ["accepted", "unsigned", "bad-signature", "unknown-device", "revoked", "malformed", "conflict"];

/** Check grammar, the operator's signature and possession; gives what the entry says. */
export async function readEntry(entry, operator) {
  const note = readNote(entry);
  if (note.signatures.length !== 1) {
    refuse(`a key entry with ${note.signatures.length} signatures instead of one`);
  }
  await checkSigned(note, operator);
  const lines = note.text.split("\n").slice(0, -1);
  const { action, kind, name, fields } = subjectOf(lines);
  const values = valuesOf(lines.slice(2), ["time", ...fields]);
  timeUs(values.get("time"));
  const statement = { hash: await sha256(entry), action, kind, name, key: null, id: null, prior: null, gateway: null };
  if (values.has("key")) {
    statement.key = octets(values.get("key"), "key", 32);
    statement.id = await keyId(statement.key);
  }
  if (values.has("prior")) statement.prior = priorOf(values.get("prior"));
  if (values.has("status")) checkStatuses(values.get("status"));
  if (values.has("signed-by")) statement.gateway = gatewayOf(values.get("signed-by"));
  if (statement.key) await checkHolder(statement.key, "possession", note.text, values);
  if (values.has("former")) {
    await checkHolder(octets(values.get("former"), "former key", 32), "consent", note.text, values);
  }
  return statement;
}

function subjectOf(lines) {
  if (lines.length < 3 || ![FIRST, SECOND_VERSION, THIRD_VERSION].includes(lines[0])) {
    refuse(`not a key entry: it starts with ${repr(lines[0].slice(0, 100))}`);
  }
  const [, action, kind, name] = /^([^ ]*) ?([^ ]*) ?(.*)$/s.exec(lines[1]);
  const subject = `${action} ${kind}`;
  let due = null;
  if (lines[0] === THIRD_VERSION) {
    due = Object.hasOwn(GATEWAY_LINES, subject) ? GATEWAY_LINES[subject] : null;
  } else if (Object.hasOwn(ENTRY_LINES, subject) && ENTRY_LINES[subject][0] === lines[0]) {
    due = ENTRY_LINES[subject][1];
  }
  if (!due) {
    refuse(
      `${repr(lines[0])} cannot say ${repr(action.slice(0, 100))} ${repr(kind.slice(0, 100))} (a newer release may)`,
    );
  }
  checkSubject(kind, name);
  const narrowed = action === "erase" && lines.length > 3;
  return { action, kind, name, fields: narrowed ? ["status"] : due };
}

function checkSubject(kind, name) {
  if (kind === "log") {
    checkKeyName(name);
  } else if (kind !== "messages") {
    if (!isSegment(name)) refuse(`${kind} ${repr(name.slice(0, 100))} is not a segment ([a-z0-9_-], 1 to 64)`);
  } else {
    const found = /^[a-z0-9_-]{1,64}:(0|[1-9][0-9]{0,18})-(0|[1-9][0-9]{0,18})$/.exec(name);
    if (!found || BigInt(found[1]) > BigInt(found[2])) {
      refuse(`${repr(name.slice(0, 100))} is not <collector>:<first>-<last>`);
    }
  }
}

function valuesOf(lines, names) {
  const pairs = lines.map((line) => {
    const space = line.indexOf(" ");
    return space < 0 ? [line, ""] : [line.slice(0, space), line.slice(space + 1)];
  });
  if (pairs.length !== names.length || pairs.some(([name], at) => name !== names[at])) {
    refuse(`a key entry of this kind has the lines ${names.join(", ")}`);
  }
  return new Map(pairs);
}

function gatewayOf(text) {
  const name = text.slice("gateway ".length);
  if (!text.startsWith("gateway ") || !isSegment(name)) {
    refuse(`signed-by ${repr(text.slice(0, 100))} is not \`gateway\` and a segment`);
  }
  return name;
}

function priorOf(text) {
  if (!/^[0-9a-f]{64}$/.test(text)) refuse("prior is not 64 lower-case hexadecimal digits");
  return unhex(text);
}

function checkStatuses(text) {
  const named = text.split(",");
  if (STATUSES.filter((status) => named.includes(status)).join() !== text) {
    refuse(`status ${repr(text.slice(0, 100))} is no list of statuses, each once, in order`);
  }
}

/** Check what a key's holder signed on a line: the tag and all lines before. */
async function checkHolder(key, line, text, values) {
  const before = text.slice(0, text.lastIndexOf(`\n${line} `) + 1);
  const weak = weakness(key);
  if (weak) refuse(`unusable key in a key entry: ${weak}`);
  const said = utf8(`factoryledger/${line}/v1\0${before}`);
  if (!(await isSignatureOf(key, said, octets(values.get(line), line, 64)))) {
    const what = line === "possession" ? "proof of possession" : "former key's consent";
    refuse(`the ${what} in a key entry does not hold`);
  }
}

async function keyId(key) {
  return hex(await sha256(key)).slice(0, 16);
}

/**
 * The enrolments that a record rests on: its entry, then what that one ended, oldest applied
 * first. What the oldest entry itself ended does not matter; that it brings its key does.
 */
export function keyringOf(statements) {
  const enrolments = [];
  for (const [at, statement] of statements.toReversed().entries()) {
    const { action, kind, name, key, id, prior, hash } = statement;
    const title = `${action} ${kind} ${name}`;
    const bare = at === 0 && action === "rotate";
    if (prior && !bare) {
      const ended = enrolments.find((one) => isSame(one.entry, prior) && one.name === name);
      if (!ended) refuse(`${title}: ${hex(prior)} enrolled no key of this ${kind}`);
      if (key && isSame(ended.key, key)) refuse(`${title}: the key is enrolled already`);
      ended.endedBy = hash;
    }
    if (key) enrolments.push({ name, key, id, entry: hash, endedBy: null });
  }
  return enrolments;
}
