// From topic, payload and keys to a status, as the collector judged (telemetry/judgement.py).

import { Refused, isSame, joined, sha256, utf8 } from "./bytes.js";
import { isSignatureOf } from "./ed25519.js";
import { findHeader, machineTopic, parseHeader, parseMessage, sparkplugTopic, splitSigned } from "./message.js";



/** Judge a message by the enrolments that its record rests on; never `conflict`. */
export async function judge(topic, payload, properties, enrolments) {
  const own = splitSigned(payload);
  const parts = own ?? findHeader(properties);
  if (!parts) return { status: "unsigned" };
  const bodyHash = await sha256(parts.body);
  const place = own ? machineTopic(topic) : sparkplugTopic(topic);
  let message;
  try {
    message = own ? parseMessage(payload, place?.kind ?? "telemetry") : parseHeader(parts, place?.kind);
  } catch (error) {
    if (error instanceof Refused) return { status: "malformed", bodyHash };
    throw error;
  }
  const another = !own && !isSame(await sha256(payload), message.payload);
  if (!place || place.sender !== message.device || another) return { status: "bad-signature", bodyHash };
  const known = enrolments.filter(({ name, id }) => name === message.device && id === message.key);
  if (!known.length) return { status: "unknown-device", bodyHash };
  const signed = joined(utf8(place.signed), message.body);
  const holding = [];
  for (const one of known) if (await isSignatureOf(one.key, signed, message.signature)) holding.push(one);
  if (!holding.length) return { status: "bad-signature", bodyHash };
  const alive = holding.find(({ endedBy }) => endedBy === null);
  return {
    status: alive ? "accepted" : "revoked",
    entry: alive ? alive.entry : holding.at(-1).endedBy,
    bodyHash,
    message,
  };
}
