// C2SP signed notes, checkpoints and cosignatures: one spelling, pinned keys
// (anchor/note.py, anchor/note_key.py, anchor/tree_head.py, anchor/cosignature.py).

import { repr } from "./words.js";
import { MAX_NUMBER, Undecided, decimal, decoded, hex, isSame, joined, octets, refuse, sha256, utf8 } from "./bytes.js";
import { isSignatureOf, weakness } from "./ed25519.js";
import { HASH } from "./merkle.js";



export const ED25519 = 1;
const ECDSA = 2;
export const COSIGNATURE = 4;
export const ML_DSA_44 = 6;

const MAX_NOTE = 1 << 20;
const MAX_SIGNATURES = 64;
const DASH = "\u2014 ";
const KEY_LENGTHS = { [ED25519]: 32, [COSIGNATURE]: 32, [ML_DSA_44]: 1312 };
const COSIGNATURE_LENGTHS = { [COSIGNATURE]: 8 + 64, [ML_DSA_44]: 8 + 2420 };
const MAX_OPAQUE = 255;
// What Python's \s is, a plus, controls and surrogates: in no key's name.
const NO_NAME = /[\s\u0085+\0-\u001f\ud800-\udfff]/u;
const CONTROL = /[\0-\u001f]/;

export function checkKeyName(name) {
  if (!name || NO_NAME.test(name.replaceAll("\ufeff", "-"))) {
    refuse(`key name ${repr(name.slice(0, 100))} is empty or holds a space, plus or control`);
  }
}

/** A public key by name, signature type and bytes, with the id that follows from them. */
export async function verifierKey(name, algorithm, bytes) {
  checkKeyName(name);
  if (algorithm === ECDSA) throw new Undecided("a log of the policy has an ECDSA key, which this page does not read");
  const length = KEY_LENGTHS[algorithm];
  if (length === undefined) refuse(`signature type 0x${hex([algorithm])} is not supported`);
  if (bytes.length !== length) refuse(`a key of ${bytes.length} bytes; type 0x${hex([algorithm])} has ${length}`);
  const weak = algorithm === ML_DSA_44 ? null : weakness(bytes);
  if (weak) refuse(`unusable Ed25519 key: ${weak}`);
  const id = (await sha256(joined(utf8(`${name}\n`), Uint8Array.of(algorithm), bytes))).subarray(0, 4);
  return { name, algorithm, bytes, id };
}

/** Read `<name>+<hex id>+<base64 of type and key>`. */
export async function readVkey(text) {
  const [name, id, ...rest] = text.split("+");
  if (!/^[0-9a-f]{8}$/.test(id ?? "")) refuse(`not a vkey (name+hex id+base64 key): ${repr(text.slice(0, 200))}`);
  const data = octets(rest.join("+"), `key of vkey ${repr(name.slice(0, 100))}`);
  if (!data.length) refuse(`vkey ${repr(name.slice(0, 100))} has no key`);
  const key = await verifierKey(name, data[0], data.subarray(1));
  if (hex(key.id) !== id) refuse(`vkey ${repr(name)} has id ${id}, its key has ${hex(key.id)}`);
  return key;
}

export function readNote(data) {
  if (data.length > MAX_NOTE) refuse(`a note of ${data.length} bytes; at most ${MAX_NOTE} are read`);
  const whole = decoded(data, "a note");
  const blank = whole.lastIndexOf("\n\n");
  if (blank < 0 || !whole.endsWith("\n") || blank + 2 === whole.length) {
    refuse("a note needs text, an empty line and whole signature lines");
  }
  const text = whole.slice(0, blank + 1);
  const signatures = whole.slice(blank + 2, -1).split("\n").map(readLine);
  if (CONTROL.test(text.replaceAll("\n", " "))) {
    refuse("a note's text ends in a newline and holds no control character");
  }
  if (signatures.length > MAX_SIGNATURES) {
    refuse(`a note with ${signatures.length} signatures; 1 to 64 are allowed`);
  }
  return { text, signatures };
}

function readLine(line) {
  const space = line.indexOf(" ", DASH.length);
  if (!line.startsWith(DASH) || space < 0 || space + 1 === line.length) {
    refuse(`not a signature line: ${repr(line.slice(0, 100))}`);
  }
  const name = line.slice(DASH.length, space);
  const data = octets(line.slice(space + 1), `signature by ${repr(name.slice(0, 100))}`);
  checkKeyName(name);
  if (data.length <= 4) refuse(`signature by ${repr(name)} is too short`);
  return { name, id: data.subarray(0, 4), value: data.subarray(4) };
}

/** The one line under this key's name and id, unchecked; null if there is none. */
export function lineOf(note, key) {
  const lines = note.signatures.filter((line) => line.name === key.name && isSame(line.id, key.id));
  if (lines.length > 1) refuse(`the note carries ${lines.length} signatures by ${key.name}`);
  return lines[0] ?? null;
}

export async function checkSigned(note, key) {
  const line = lineOf(note, key);
  if (!line) refuse(`the note is not signed by ${key.name} (key ${hex(key.id)})`);
  if (!(await isSignatureOf(key.bytes, utf8(note.text), line.value))) {
    refuse(`the signature by ${key.name} does not hold`);
  }
}

/** What a checkpoint's text says: origin, size, root; no extension lines. */
export async function readHead(text) {
  const lines = text.split("\n");
  if (lines.length !== 4 || lines[3]) {
    refuse(`a checkpoint has three lines (no extensions), not ${lines.length - 1}`);
  }
  const [origin] = lines;
  const size = decimal(lines[1], "tree size");
  const root = octets(lines[2], "root", HASH);
  if (!origin || CONTROL.test(origin)) refuse(`origin ${repr(origin.slice(0, 100))} is empty or holds a control character`);
  if (size === 0n && !isSame(root, await sha256(new Uint8Array()))) {
    refuse("the root at size 0 is not that of the empty tree");
  }
  return { origin, size, root };
}

/** Check the log's signature and read the head. */
export async function openCheckpoint(data, key) {
  const note = readNote(data);
  await checkSigned(note, key);
  const head = await readHead(note.text);
  if (head.origin !== key.name) refuse(`the checkpoint is of ${repr(head.origin)}, not of ${repr(key.name)}`);
  return head;
}

/**
 * When this cosigner says that it signed (POSIX seconds): { time, checked }; null if it did
 * not. ML-DSA-44 is read and not checked here.
 */
export async function cosignatureOf(note, key, head) {
  const line = lineOf(note, key);
  if (!line) return null;
  if (line.value.length !== COSIGNATURE_LENGTHS[key.algorithm]) {
    refuse(`the cosignature by ${key.name} is ${line.value.length} bytes long`);
  }
  const time = BigInt(`0x${hex(line.value.subarray(0, 8))}`);
  if (time > MAX_NUMBER) refuse(`the cosignature by ${key.name} is from a time beyond 2^63-1`);
  if (key.algorithm === ML_DSA_44) {
    for (const name of [key.name, head.origin]) {
      const { length } = utf8(name);
      if (length > MAX_OPAQUE) refuse(`a name of ${length} bytes; ML-DSA-44 cosignatures hold 1 to 255`);
    }
    return { time, checked: false };
  }
  const message = utf8(`cosignature/v1\ntime ${time}\n${note.text}`);
  if (!(await isSignatureOf(key.bytes, message, line.value.subarray(8)))) {
    refuse(`the cosignature by ${key.name} does not hold`);
  }
  return { time, checked: true };
}
