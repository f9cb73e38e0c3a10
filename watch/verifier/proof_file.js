// The proof file, versions 1 to 3, and the tlog-proofs inside: read, written again, compared
// (anchor/proof_file.py, anchor/tlog_proof.py, anchor/stamped.py).

import { repr } from "./words.js";
import { Refused, Undecided, b64, decimal, decoded, joined, octets, quote, refuse, utf8 } from "./bytes.js";
import { readJson } from "./strict_json.js";
import { HASH } from "./merkle.js";



const MAX_FILE = 1 << 29;
const MAX_PATH = 63;
const MAX_RECEIPTS = 64;
const TLOG_HEADER = "c2sp.org/tlog-proof@v1";
const OTHER_FILES = { "range proof": "range files", evidence: "evidence files" };

/** Read a proof file, nothing in it checked; Refused unless `prove` would write these bytes. */
export function readProofFile(data) {
  if (data.length > MAX_FILE) refuse(`a proof file of ${data.length} bytes; at most ${MAX_FILE} are read`);
  const text = decoded(data, "a proof file");
  const members = jsonOf(text);
  if (!(members instanceof Map) || members.get("factoryledger") !== "proof") {
    const other = members instanceof Map && OTHER_FILES[members.get("factoryledger")];
    if (other) throw new Undecided(`this page does not read ${other}: \`factoryledger verify\` does`);
    refuse('not a proof file: it has no "factoryledger":"proof"');
  }
  const version = members.get("version");
  if (![1n, 2n, 3n].includes(version)) refuse(`proof file of version ${version}; this reads 1 to 3`);
  const payload = memberOf(members, "payload");
  const cited = memberOf(members, "cited");
  const file = {
    payload: payload === null ? null : octets(payload, "payload"),
    record: bytesOf(members, "record"),
    messageProof: readTlogProof(textOf(members, "message_proof")),
    checkpointProof: readTlogProof(textOf(members, "checkpoint_proof")),
    keys: listOf(members, "keys").map(readIncluded),
    cited: cited === null ? null : bytesOf(members, "cited"),
    stamped: members.has("stamped") ? readAllStamped(listOf(members, "stamped")) : [],
    corrections: members.has("corrections") ? readCorrections(memberOf(members, "corrections")) : null,
  };
  if (proofText(file) !== text) refuse("the proof file is not in the one spelling that `prove` writes");
  return file;
}

function jsonOf(text) {
  try {
    return readJson(text, true);
  } catch (error) {
    if (error instanceof Refused) refuse(`not a proof file: ${error.message}`);
    throw error;
  }
}

function memberOf(members, name) {
  if (!(members instanceof Map) || !members.has(name)) {
    refuse(`a member of the proof file has the wrong form: ${repr(name)}`);
  }
  return members.get(name);
}

function textOf(members, name) {
  const value = memberOf(members, name);
  if (typeof value !== "string") refuse(`a member of the proof file has the wrong form: ${repr(name)}`);
  return value;
}

function bytesOf(members, name) {
  return utf8(textOf(members, name));
}

function listOf(members, name) {
  const value = memberOf(members, name);
  if (!Array.isArray(value)) refuse(`a member of the proof file has the wrong form: ${repr(name)}`);
  return value;
}

/** A tlog-proof, without extra data: no hash or signature binds what would be there. */
function readTlogProof(text) {
  const blank = text.indexOf("\n\n");
  const lines = text.slice(0, Math.max(blank, 0)).split("\n");
  if (blank < 0 || lines[0] !== TLOG_HEADER) {
    refuse(`not a proof: it starts with another line than ${repr(TLOG_HEADER)}`);
  }
  if (lines[1]?.startsWith("extra ")) {
    refuse("a tlog-proof in a file of ours has extra data, which nothing vouches for");
  }
  if (!lines[1]?.startsWith("index ")) refuse("a proof needs its index line");
  const index = decimal(lines[1].slice("index ".length), "index of a proof");
  const path = lines.slice(2).map((line) => octets(line, "hash in a proof", HASH));
  if (path.length > MAX_PATH) refuse(`a path has at most ${MAX_PATH} hashes of ${HASH} bytes`);
  const checkpoint = utf8(text.slice(blank + 2));
  if (checkpoint.at(-1) !== 10) refuse("a proof ends with its checkpoint, whose last byte is a newline");
  return { index, path, checkpoint };
}

function readIncluded(member) {
  const index = memberOf(member, "index");
  if (typeof index !== "bigint" || index < 0n) {
    refuse("index of a key entry is not a number from 0 to 2^63-1");
  }
  const path = listOf(member, "path").map((step) => octets(step, "hash in the path of a key entry", HASH));
  return { entry: bytesOf(member, "entry"), index, path };
}

function readAllStamped(members) {
  const stamped = members.map(readStamped);
  if (stamped.reduce((sum, { receipts }) => sum + receipts.length, 0) > MAX_RECEIPTS) {
    refuse(`more than ${MAX_RECEIPTS} receipts of outside ledgers in one proof`);
  }
  return stamped;
}

function readStamped(member) {
  const checkpoint = memberOf(member, "checkpoint") === null ? null : bytesOf(member, "checkpoint");
  const path = listOf(member, "path").map((step) => octets(step, "hash in a path", HASH));
  const receipts = listOf(member, "receipts").map((receipt) => {
    const [ledger, kind] = [textOf(receipt, "ledger"), textOf(receipt, "kind")];
    if (!/^[a-z0-9-]{1,32}$/.test(ledger) || !/^[a-z0-9]{1,8}$/.test(kind)) {
      refuse(`${repr(ledger)} and ${repr(kind)} name no ledger`);
    }
    return { ledger, kind, data: octets(memberOf(receipt, "receipt"), "receipt") };
  });
  if (!receipts.length || (checkpoint === null && path.length)) {
    refuse("a stamped checkpoint without receipts, or with a path that leads nowhere");
  }
  return { checkpoint, path, receipts };
}

function readCorrections(member) {
  const entries = listOf(member, "entries").map(readIncluded);
  if (!entries.length) refuse("corrections without any: such a file is of version 1 or 2");
  const path = listOf(member, "path").map((step) => octets(step, "hash in a path", HASH));
  return { checkpoint: bytesOf(member, "checkpoint"), path, entries };
}

// -- the one spelling --------------------------------------------------------------------

function proofText(file) {
  const version = file.corrections ? 3 : file.stamped.length ? 2 : 1;
  const stamped = version > 1 ? `,"stamped":[${file.stamped.map(stampedText)}]` : "";
  const corrections = file.corrections ? `,"corrections":${correctionsText(file.corrections)}` : "";
  return (
    `{"factoryledger":"proof","version":${version}` +
    `,"payload":${file.payload === null ? "null" : `"${b64(file.payload)}"`}` +
    `,"record":${verbatim(file.record)}` +
    `,"message_proof":${tlogText(file.messageProof)}` +
    `,"checkpoint_proof":${tlogText(file.checkpointProof)}` +
    `,"keys":[${file.keys.map(includedText)}]` +
    `,"cited":${verbatim(file.cited)}${stamped}${corrections}}\n`
  );
}

function verbatim(data) {
  return data === null ? "null" : quote(decoded(data, "a part of a proof file"));
}

function tlogText({ index, path, checkpoint }) {
  const lines = [TLOG_HEADER, `index ${index}`, ...path.map(b64), "", ""];
  return verbatim(joined(utf8(lines.join("\n")), checkpoint));
}

function includedText({ entry, index, path }) {
  return `{"entry":${verbatim(entry)},"index":${index},"path":[${path.map((step) => `"${b64(step)}"`)}]}`;
}

function correctionsText({ checkpoint, path, entries }) {
  const steps = path.map((step) => `"${b64(step)}"`);
  return `{"checkpoint":${verbatim(checkpoint)},"path":[${steps}],"entries":[${entries.map(includedText)}]}`;
}

function stampedText({ checkpoint, path, receipts }) {
  const list = receipts.map(
    ({ ledger, kind, data }) => `{"ledger":${quote(ledger)},"kind":${quote(kind)},"receipt":"${b64(data)}"}`,
  );
  return `{"checkpoint":${verbatim(checkpoint)},"path":[${path.map((step) => `"${b64(step)}"`)}],"receipts":[${list}]}`;
}
