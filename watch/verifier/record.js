// The record, a leaf of a collector's log, and the properties kept in it: one spelling each
// (telemetry/record.py, telemetry/properties.py).

import { repr } from "./words.js";
import { END_OF_TIME, b64, decoded, isKeyId, isSegment, octets, quote, refuse } from "./bytes.js";
import { readJson } from "./strict_json.js";
import { HASH } from "./merkle.js";
import { STATUSES } from "./key_entry.js";



const NAMED = ["accepted", "conflict", "revoked"];
const KEYLESS = ["unsigned", "malformed"];
const MEMBERS =
  "record received original topic properties status device session seq key keys entry payload body".split(" ");

/** Read a leaf; Refused for anything that a collector would not write. */
export function readRecord(data) {
  const text = decoded(data, "a record");
  const said = readJson(text, true);
  if (!(said instanceof Map) || MEMBERS.some((name) => !said.has(name))) refuse("not a record");
  const record = Object.fromEntries(said);
  for (const name of ["received", "keys"]) typed(record, name, "bigint");
  for (const name of ["original", "seq"]) typed(record, name, "bigint", true);
  for (const name of ["topic", "status", "payload"]) typed(record, name, "string");
  for (const name of ["properties", "device", "session", "key", "entry", "body"]) typed(record, name, "string", true);
  for (const name of ["entry", "payload", "body"]) {
    if (record[name] !== null) record[name] = octets(record[name], `a record's ${name}`, HASH);
  }
  checkRecord(record);
  readProperties(record.properties);
  if (recordText(record) !== text) refuse("a record is not in its canonical spelling");
  return record;
}

function typed(record, name, type, orNull = false) {
  if (typeof record[name] !== type && !(orNull && record[name] === null)) refuse(`not a record: its ${name} is no ${type}`);
}

function checkRecord(record) {
  const { status, received, original, body, keys, device, session, seq, key, entry } = record;
  if (!STATUSES.includes(status)) refuse(`a record of no known status: ${repr(status)}`);
  if ((body === null) !== (status === "unsigned")) {
    refuse("a record has a body hash, and only then, if it was signed");
  }
  if (keys < 0n || (keys && KEYLESS.includes(status))) refuse("a record counts keys though none mattered");
  if (received < 0n || received >= END_OF_TIME) refuse("a record received outside of the years 1970 to 9999");
  if (original !== null && (original < 0n || original >= received)) {
    refuse("a record's original time is not before the one it was lifted to");
  }
  const named = [device, session, seq, key, entry];
  if (!NAMED.includes(status)) {
    if (named.some((value) => value !== null)) refuse(`a record of status ${status} names a device`);
  } else if (named.includes(null) || !isSegment(device) || !isSegment(session) || !isKeyId(key) || seq < 0n) {
    refuse(`a record of status ${status} lacks device, session, seq, key or entry`);
  }
}

function recordText(record) {
  const word = (name) => (record[name] === null ? "null" : `"${record[name]}"`);
  const hash = (name) => (record[name] === null ? "null" : `"${b64(record[name])}"`);
  const properties = record.properties === null ? "null" : quote(record.properties);
  return (
    `{"record":1,"received":${record.received},"original":${record.original}` +
    `,"topic":${quote(record.topic)},"properties":${properties},"status":${word("status")}` +
    `,"device":${word("device")},"session":${word("session")},"seq":${record.seq},"key":${word("key")}` +
    `,"keys":${record.keys},"entry":${hash("entry")},"payload":${hash("payload")},"body":${hash("body")}}`
  );
}

/** The user properties of a canonical text, [name, value] each; none for null. */
export function readProperties(text) {
  if (text === null) return [];
  const members = readJson(text, true);
  if (!(members instanceof Map)) refuse("not the text of properties");
  const kept = [];
  const indicator = members.get("payload_format_indicator") ?? 0n;
  if (typeof indicator !== "bigint" || indicator < 0n || indicator > 255n) {
    refuse("payload format indicator is no byte");
  }
  if (indicator) kept.push(`"payload_format_indicator":${indicator}`);
  for (const name of ["content_type", "response_topic"]) {
    const value = members.get(name) ?? null;
    if (value !== null && typeof value !== "string") refuse("not the text of properties");
    if (value !== null) kept.push(`"${name}":${quote(value)}`);
  }
  const data = members.get("correlation_data") ?? null;
  if (data !== null) kept.push(`"correlation_data":"${b64(octets(data, "correlation data"))}"`);
  const pairs = members.get("user_properties") ?? [];
  const isPair = (pair) => Array.isArray(pair) && pair.length === 2 && pair.every((one) => typeof one === "string");
  if (!Array.isArray(pairs) || !pairs.every(isPair)) refuse("not the text of properties");
  if (pairs.length) kept.push(`"user_properties":[${pairs.map((pair) => `[${pair.map(quote)}]`)}]`);
  if (!kept.length || `{${kept}}` !== text) refuse("properties are not in their canonical spelling");
  return pairs;
}
