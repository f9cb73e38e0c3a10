// What a verified proof shows, in plain sentences, and what it does not: word for word those of
// the command (anchor/verified.py, and the gaps of anchor/proving/verify.py).

import { floatText, plain, repr } from "./words.js";
import { SECOND, timeText } from "./bytes.js";
import { REJUDGED } from "./verify.js";



/** What is proved, a sentence each. */
export function sentences(verified) {
  return [whose(verified), ...measured(verified), ...corrected(verified), recorded(verified), ...bounds(verified), witnessed(verified)];
}

/** What is not proved, a sentence each, without the words "Not proven: ". */
export function gaps(verified) {
  return [
    ...openAboutTheMessage(verified),
    ...openAboutTime(verified),
    ...openAboutCorrections(verified),
    ...openOutside(verified),
  ];
}

/** What the command would check and this page does not; nothing of it was counted. */
export function uncheckedHere({ unchecked, unpinned }) {
  return [
    ...unchecked.map((name) => `Witness ${plain(name)}: its ML-DSA-44 cosignature is not checked here, and not counted.`),
    ...unpinned.map((ledger) => `Ledger ${ledger}: its receipt is not checked here, and not counted.`),
  ];
}

function whose({ record, judgement, gateway }) {
  const { status, device, session, seq, key, topic } = record;
  if (device === null) return `A message on topic ${repr(topic)} is recorded as ${status}.`;
  const of = `session ${session}, number ${seq}`;
  const held = gateway === null ? "" : `, which gateway ${gateway} holds`;
  if (!judgement) return `A message is recorded as ${status} from machine ${device} (${of}), key ${key}${held}.`;
  const signed =
    gateway === null
      ? `Machine ${device} signed this message with its enrolled key ${key}`
      : `Signed by the gateway ${gateway} on behalf of machine ${device}, with the key ${key} that the operator ` +
        "enrolled for that";
  if (status === "accepted") return `${signed} (${of}).`;
  if (status === "revoked") {
    return (
      `Key ${key} of machine ${device} signed this message (${of}) after the ` +
      "operator had ended that key: it is recorded as revoked."
    );
  }
  return `${signed} (${of}), and another message had that number before: it is recorded as a ${status}.`;
}

function measured({ judgement, gateway }) {
  const message = judgement?.message;
  if (!message) return [];
  const by = gateway === null ? "by the machine's clock" : `by gateway ${gateway}'s word`;
  const found =
    message.kind === "telemetry"
      ? message.scans.map(({ time, readings }) => {
          const said = readings.map(([name, value]) => `${plain(name)} ${floatText(value)}`).join(", ");
          return `It measured at ${timeText(time)} ${by}: ${said || "nothing"}.`;
        })
      : [`It is a ${message.kind}, made at ${timeText(message.time)} ${by}.`];
  if (gateway !== null && message.source) found.push(stoodFor(message.source, gateway));
  return found;
}

function stoodFor({ topic, digest, size, received, clock }, gateway) {
  const theirs = clock === "source" ? "the source's own" : `gateway ${gateway}'s`;
  return (
    `It stands for ${size} bytes that gateway ${gateway} received from ${repr(topic)} at ` +
    `${timeText(received)} by its clock, SHA-256 ${digest}; the time it gives is ${theirs}.`
  );
}

const VERBS = { correction: "Corrected", annotation: "Annotated", withdrawal: "Withdrawn" };

function corrected({ corrections }) {
  return (corrections?.found ?? []).map((one) => {
    const { change, supersedes, supersededBy } = one;
    let what = "";
    if (change) {
      const unit = change.unit === null ? "" : ` ${plain(change.unit)}`;
      what = `${plain(change.metric)} at ${timeText(change.scan)} ${change.original} -> ${change.value}${unit}; `;
    }
    if (supersedes !== null) what += `in place of ${supersedes.slice(0, 16)}; `;
    const ended = supersededBy === null ? "" : ` It does not stand: ${supersededBy.slice(0, 16)} superseded it.`;
    return (
      `${VERBS[one.kind]} by ${inQuotes(one.by)} on ${timeText(one.time)} (${one.meaning}): ${what}` +
      `reason: ${inQuotes(one.reason)}. It is ${one.hash.slice(0, 16)}, entry ${one.index} of the log.${ended}`
    );
  });
}

function inQuotes(text) {
  return `"${plain(text).replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

function openAboutCorrections({ corrections, judgement }) {
  if (!corrections) {
    return ["that nobody corrected it since; `factoryledger audit` shows every correction."];
  }
  const found = [
    "that nobody corrected it otherwise; shown is what this proof carries of the log up to " +
      `entry ${corrections.size - 1n}, and later ones, or ones that were left out, are not seen here.`,
  ];
  if (!judgement?.message && corrections.found.some(({ change }) => change)) {
    found.push("what was stored, but for what a correction says of it; the payload is not here.");
  }
  found.push("that who is named in a correction wrote it, or when: the operator's one key signs for all.");
  return found;
}

function recorded({ certified, file, record }) {
  return (
    `Collector ${certified.collector} recorded it as its message ${file.messageProof.index}, received at ` +
    `${timeText(record.received)} by the collector's clock.`
  );
}

function bounds({ before, after }) {
  const found = [];
  if (before) {
    const time = timeText(before.time * SECOND);
    found.push(`Signed not before ${time}: it cites a checkpoint that ${cosigners(before)} then.`);
  }
  if (after) {
    const time = timeText(after.time * SECOND);
    found.push(`In the log not after ${time}: by then ${cosigners(after)} a log that contains it.`);
  }
  return found;
}

function cosigners({ witnesses }) {
  if (!witnesses.length) return "witnesses had cosigned";
  return `${witnesses.length === 1 ? "witness" : "witnesses"} ${witnesses.join(", ")} had cosigned`;
}

function witnessed({ anchored, file, policy }) {
  const { origin, size } = anchored.head;
  const place = `It stands under entry ${file.checkpointProof.index} of log ${origin}, of size ${size}`;
  const names = [...anchored.times.keys()];
  if (!names.length) {
    return `${place}: cosigned by no witness, so this rests on the log's own key alone (quorum ${policy.quorum}).`;
  }
  const noun = names.length === 1 ? "witness" : "witnesses";
  const met = policy.quorum === "none" ? "" : `, which meets the policy's quorum (${policy.quorum})`;
  return `${place}: cosigned by ${names.length} ${noun} (${names.join(", ")})${met}.`;
}

function openAboutTheMessage({ record, judgement, gateway }) {
  const { status, device } = record;
  const found = [];
  if (["unsigned", "malformed"].includes(status)) {
    found.push("who sent it; it carries no signature that could be checked.");
  } else if (!REJUDGED.includes(status)) {
    found.push(`who sent it; that its status is ${status} is the collector's word.`);
  } else if (!judgement?.message) {
    found.push("what the machine said and that it signed it; the proof holds no payload.");
  } else {
    if (gateway !== null) {
      found.push(
        `what happened between the machine and gateway ${gateway}, which signed on its behalf; ` +
          "the machine itself signed nothing.",
      );
    }
    found.push("that the sensor told the truth, or that the machine's clock was right.");
  }
  if (status === "conflict") found.push("what the other message under this number said.");
  if (device !== null) found.push("that the machine's key was not stolen, nor revoked after this was judged.");
  return found;
}

function openAboutTime({ policy, judgement, cited, before, after }) {
  const found = [];
  if (policy.metBy([])) {
    found.push("that the log's operator shows everybody the same log; no witness is required.");
  }
  if (!after) found.push("by when it was in the log; the policy asks no witness for a time.");
  if (judgement?.message && !cited) {
    found.push("after which time it was signed; the proof holds no checkpoint that it cites.");
  } else if (cited && !before) {
    found.push("after which time it was signed; the policy asks no witness for a time.");
  }
  if (before) found.push("how soon after that it was signed; a machine may cite a checkpoint that is old.");
  found.push("that nothing is missing beside it; `factoryledger audit` shows that.");
  return found;
}

function openOutside({ unpinned }) {
  return unpinned.map((ledger) => `what the receipt of ledger ${ledger} shows; no such ledger is pinned here.`);
}
