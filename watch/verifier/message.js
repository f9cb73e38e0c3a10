// A machine's signed message: topics, the strict parse of a payload, headers of what is not
// JSON (telemetry/topic.py, message.py, members.py, header.py, sparkplug_topic.py).

import { Refused, b64, decoded, isKeyId, isSegment, octets, refuse, timeText, timeUs, utf8 } from "./bytes.js";
import { readJson } from "./strict_json.js";
import { HASH } from "./merkle.js";
import { readProperties } from "./record.js";



const MAX_LENGTH = 1 << 20;
const KINDS = ["telemetry", "birth", "state", "death", "event", "receipt"];
const SIGNED_KINDS = ["telemetry", "birth", "state", "event"];
const SUFFIX = 98;
const HEADER_NAME = "factoryledger-header";
const DEVICE_TYPES = ["DBIRTH", "DDATA", "DDEATH", "DCMD"];
const NODE_TYPES = ["NBIRTH", "NDATA", "NDEATH", "NCMD"];
const SIGNED_TYPES = ["NBIRTH", "NDATA", "DBIRTH", "DDATA", "DDEATH"];

/** Cut into body and 88 characters of signature; null where it is unsigned. */
export function splitSigned(payload) {
  if (payload.length < SUFFIX) return null;
  const end = String.fromCharCode(...payload.subarray(payload.length - SUFFIX));
  const found = /^,"sig":"([A-Za-z0-9+/=]{88})"\}$/.exec(end);
  return found && { body: payload.subarray(0, payload.length - SUFFIX), signature: found[1] };
}

/** A machine's topic of a signed kind: its last six levels; null for every other one. */
export function machineTopic(topic) {
  const levels = topic.split("/").slice(-6);
  const kind = levels.at(-1);
  if (levels.length < 6 || !SIGNED_KINDS.includes(kind) || !KINDS.includes(kind) || !levels.every(isSegment)) return null;
  return { sender: levels[4], kind, signed: `factoryledger/${kind}/v1\0${levels.join("/")}\0` };
}

/** A Sparkplug topic of a signed type; null for every other one. */
export function sparkplugTopic(topic) {
  const levels = ["", "", ...topic.split("/")];
  for (const [count, types] of [[5, DEVICE_TYPES], [4, NODE_TYPES]]) {
    const own = levels.slice(-count);
    const [namespace, group, kind, ...names] = own;
    if (namespace === "spBv1.0" && types.includes(kind) && group && names.every((name) => name)) {
      if (!SIGNED_TYPES.includes(kind)) return null;
      return { sender: names.at(-1), kind, signed: `factoryledger/header/v1\0${own.join("/")}\0` };
    }
  }
  return null;
}

/** Parse a signed payload strictly; Refused says what is wrong. */
export function parseMessage(payload, kind) {
  if (payload.length > MAX_LENGTH) refuse(`${payload.length} bytes; a message has at most ${MAX_LENGTH}`);
  const { body, signature } = splitSigned(payload);
  if (payload[0] !== 0x7b) refuse("the payload does not start with {");
  const members = readJson(decoded(payload, "the payload"));
  const time = timeUs(wordOf(members, "time"));
  const scans = scansOf(members, time);
  if (kind === "telemetry" && members.has("readings") === members.has("scans")) {
    refuse("telemetry has exactly one of readings and scans");
  }
  for (const name of ["birth", "state", "event"]) if (members.has(name)) checkContent(name, members.get(name));
  if (kind !== "telemetry") due(members, kind);
  return {
    ...leadingOf(members),
    kind,
    time,
    scans: kind === "telemetry" ? scans : [],
    source: sourceOf(members.get("source")),
    body,
    signature: octets(signature, "the signature", 64),
  };
}

/** What a gateway's message stands for (telemetry/source.py); null for any other value. */
function sourceOf(value) {
  if (!(value instanceof Map)) return null;
  const [topic, digest, size, received, clock] = ["topic", "sha256", "size", "received", "clock"].map((name) => value.get(name));
  if (typeof topic !== "string" || Array.from(topic).length > 65535 || typeof size !== "bigint" || size < 0n) return null;
  if (typeof digest !== "string" || !/^[0-9a-f]{64}$/.test(digest)) return null;
  if (typeof received !== "string" || !["source", "gateway"].includes(clock)) return null;
  try {
    return { topic, digest, size, received: timeUs(received), clock };
  } catch (error) {
    if (error instanceof Refused) return null;
    throw error;
  }
}

function leadingOf(members) {
  const anchor = due(members, "anchor");
  const prev = due(members, "prev");
  const found = {
    device: segmentOf(members, "device"),
    session: segmentOf(members, "session"),
    seq: countOf(members, "seq"),
    prev: prev === null ? null : octets(prev, "prev", HASH),
    anchor: null,
    key: wordOf(members, "key"),
  };
  if (!isKeyId(found.key)) refuse("key is not a key id of 16 hexadecimal digits");
  if (anchor !== null) {
    found.anchor = { size: countOf(objectOf(anchor, "anchor"), "size"), note: octets(due(anchor, "note"), "anchor.note", HASH) };
  }
  return found;
}

function due(members, name) {
  if (!members.has(name)) refuse(`${name} is missing`);
  return members.get(name);
}

function objectOf(value, what) {
  if (!(value instanceof Map)) refuse(`${what} is not an object`);
  return value;
}

function wordOf(members, name) {
  const value = due(members, name);
  if (typeof value !== "string") refuse(`${name} is not a string`);
  return value;
}

function segmentOf(members, name) {
  const value = wordOf(members, name);
  if (!isSegment(value)) refuse(`${name} is not 1 to 64 of a-z, 0-9, _ and -`);
  return value;
}

function countOf(members, name) {
  const value = due(members, name);
  if (typeof value !== "bigint" || value < 0n) refuse(`${name} is not an integer literal from 0 to 2^63-1`);
  return value;
}

function readingsOf(value) {
  const readings = [...objectOf(value, "readings")];
  if (readings.some(([, number]) => typeof number !== "bigint" && typeof number !== "number")) {
    refuse("a reading is not a number");
  }
  return readings.map(([name, number]) => [name, Number(number)]);
}

function scansOf(members, time) {
  const found = [];
  if (members.has("readings")) found.push({ time, readings: readingsOf(members.get("readings")) });
  if (members.has("scans")) {
    const scans = members.get("scans");
    if (!Array.isArray(scans) || !scans.length) refuse("scans is not a list of at least one scan");
    for (const scan of scans) {
      const readings = readingsOf(due(objectOf(scan, "a scan"), "readings"));
      found.push({ time: timeUs(wordOf(scan, "time")), readings });
    }
  }
  return found;
}

function checkContent(kind, value) {
  const content = objectOf(value, kind);
  if (kind === "birth") {
    for (const metric of objectOf(due(content, "metrics"), "birth.metrics").values()) {
      wordOf(objectOf(metric, "a metric"), "unit");
      readingsOf(new Map(["low", "high"].map((name) => [name, due(metric, name)])));
    }
    wordOf(content, "kind");
    octets(wordOf(content, "public_key"), "birth.public_key", 32);
  } else {
    wordOf(content, "name");
  }
  if (kind === "state") countOf(content, "number");
}

/** The header among user properties, cut; null where the message has none, or several. */
export function findHeader(properties) {
  const values = readProperties(properties).filter(([name]) => name === HEADER_NAME);
  return values.length === 1 ? splitSigned(utf8(values[0][1])) : null;
}

/** Parse a header: exactly what its writer would write. */
export function parseHeader({ body, signature }, kind) {
  const text = decoded(body, "a header");
  const members = objectOf(readJson(`${text}}`), "a header");
  const said = leadingOf(members);
  const payload = octets(due(members, "payload"), "payload", HASH);
  const time = timeUs(wordOf(members, "time"));
  const anchor = said.anchor && `{"size":${said.anchor.size},"note":"${b64(said.anchor.note)}"}`;
  const written =
    `{"device":"${said.device}","session":"${said.session}","seq":${said.seq}` +
    `,"prev":${said.prev ? `"${b64(said.prev)}"` : "null"},"anchor":${anchor}` +
    `,"time":"${timeText(time)}","payload":"${b64(payload)}","key":"${said.key}"`;
  if (written !== text) refuse("a header is not in its one spelling");
  return { ...said, kind, time, scans: [], source: null, body, payload, signature: octets(signature, "the signature", 64) };
}
