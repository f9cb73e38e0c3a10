// Verifies a proof file against a policy, hop by hop, as `factoryledger verify` does with no
// ledger pinned (anchor/proving/verify.py, hops.py, outside.py). The first hop that fails ends
// it, in one sentence that names the hop and the key to blame.

import { plain, repr } from "./words.js";
import { END_OF_TIME, Refused, SECOND, Undecided, hex, isSame, isSegment, refuse, sha256 } from "./bytes.js";
import { checkInclusion } from "./merkle.js";
import { ED25519, openCheckpoint, verifierKey } from "./note.js";
import { keyringOf, readEntry } from "./key_entry.js";
import { readProofFile } from "./proof_file.js";
import { readRecord } from "./record.js";
import { judge } from "./judgement.js";
import { checkCorrections } from "./correction.js";

const MOST_KEYS = 1000; // each is two signatures to check, and one machine has few keys
export const REJUDGED = ["accepted", "conflict", "revoked", "unsigned", "malformed"];

async function hop(what, blame, check) {
  try {
    return await check();
  } catch (error) {
    const reason = plain(error.message.split(/\s+/).join(" "));
    if (error instanceof Undecided) throw new Undecided(`${what} is not decided here: ${reason}`);
    if (error instanceof Refused) throw new Refused(`${what} does not hold (${blame}): ${reason}`);
    throw error;
  }
}

/** Verify a proof file; Refused or Undecided, in one sentence, at the first hop that fails. */
export async function verifyProof(proof, policy) {
  const { operator, log } = policy;
  const pinned = `log key ${log.name}`;
  const file = await hop("The proof file", "whoever wrote it", () => readProofFile(proof));
  const { messageProof, checkpointProof } = file;
  const anchored = await hop("The anchor log's checkpoint", `${pinned} or a witness`, () =>
    policy.open(checkpointProof.checkpoint),
  );
  const upper = await hop("The collector's checkpoint in the anchor log", pinned, () =>
    included(messageProof.checkpoint, checkpointProof.index, checkpointProof.path, anchored.head),
  );
  const { statements, certified } = await hop("The key entries", `operator key ${operator.name}`, async () => {
    const read = await readKeys(file.keys, anchored.head, checkpointProof.index, operator);
    return { statements: read, certified: await certifiedCollector(messageProof.checkpoint, log, read) };
  });
  const collectorKey = `collector key ${certified.key.name}`;
  const { lower, record } = await hop("The record in the collector's log", collectorKey, async () => {
    const head = await openCheckpoint(messageProof.checkpoint, certified.key);
    const steps = await included(file.record, messageProof.index, messageProof.path, head);
    return { lower: steps, record: readRecord(file.record) };
  });
  const message = await hop("The payload", collectorKey, () => judged(file, record, statements.slice(1)));
  const cited = await hop("The checkpoint that the message cites", `${pinned} or a witness`, () =>
    citedCheckpoint(file.cited, message?.message ?? null, checkpointProof.index, policy),
  );
  const { containing, unpinned } = await readStampedOnes(file, anchored, policy);
  const signers = `operator key ${operator.name}, the log's or a witness`;
  const corrections = await hop("A correction", signers, () =>
    checkCorrections(file, certified, record, message?.message?.scans ?? null, policy),
  );
  const { before, after } = await hop("The witnesses' times", "a witness", () => {
    const bounds = { before: cited && policy.notBefore(cited), after: policy.notAfter(containing) };
    for (const bound of Object.values(bounds)) {
      if (bound && bound.time * SECOND >= END_OF_TIME) refuse(`${bound.time} seconds is after the year 9999`);
    }
    return bounds;
  });
  // The gateway that holds the key on behalf of its machine, as the key's entry says.
  const gateway = statements.slice(1).find(({ id }) => id && id === record.key)?.gateway ?? null;
  const unchecked = [...containing, ...(cited ? [cited] : [])].flatMap((one) => [...one.unchecked]);
  return {
    file, record, certified, judgement: message, anchored, cited, unpinned, policy, before, after, upper, lower, gateway,
    corrections,
    unchecked: [...new Set(unchecked)],
  };
}

function included(entry, index, path, head) {
  return checkInclusion(entry, index, head.size, path, head.root);
}

async function readKeys(keys, head, before, operator) {
  if (keys.length > MOST_KEYS) {
    refuse(`it holds ${keys.length} key entries; a proof has at most ${MOST_KEYS}`);
  }
  const statements = [];
  for (const { entry, index, path } of keys) {
    statements.push(await readEntry(entry, operator));
    await included(entry, index, path, head);
    if (index >= before) refuse(`key entry ${index} stands after the checkpoint that relies on it`);
  }
  return statements;
}

async function certifiedCollector(checkpoint, log, statements) {
  if (!statements.length) refuse("the proof holds no key entry for the collector");
  const [first] = statements;
  if (first.kind !== "collector" || !first.key) refuse("the first key entry does not enrol a collector");
  const [origin] = new TextDecoder().decode(checkpoint).split("\n", 1);
  if (origin !== `${log.name}/collector/${first.name}` || !isSegment(first.name)) {
    refuse(`the key entry enrols collector ${first.name}, the record is of ${repr(origin)}`);
  }
  return { collector: first.name, key: await verifierKey(origin, ED25519, first.key) };
}

/** Judge the payload again and compare; null where it is erased or needs other keys. */
async function judged(file, record, statements) {
  checkEntries(record, statements);
  if (file.payload === null) return null;
  if (!isSame(await sha256(file.payload), record.payload)) {
    refuse("the payload in the proof is not the one that the collector recorded");
  }
  const enrolments = keyringOf(statements);
  if (!REJUDGED.includes(record.status)) return null;
  const found = await judge(record.topic, file.payload, record.properties, enrolments);
  const due = record.status === "conflict" ? "accepted" : record.status;
  if (found.status !== due) refuse(`it was recorded as ${record.status}, but judges as ${found.status}`);
  const { device = null, session = null, seq = null, key = null } = found.message ?? {};
  const here = [device, session, seq, key, hashText(found.entry), hashText(found.bodyHash)];
  const said = [record.device, record.session, record.seq, record.key, hashText(record.entry), hashText(record.body)];
  if (said.some((value, at) => value !== here[at])) {
    refuse("its record names another device, session, seq, key or body than it does");
  }
  return found;
}

function hashText(data) {
  return data ? hex(data) : null;
}

/** The entry that the record names, then what that one ended: these and no others. */
function checkEntries(record, statements) {
  const due = record.entry ? [record.entry] : [];
  if (record.entry && statements[0]?.prior) due.push(statements[0].prior);
  if (due.map(hex).join() !== statements.map(({ hash }) => hex(hash)).join()) {
    refuse("the key entries in the proof are not those that the record rests on");
  }
  if (statements.some(({ kind }) => kind !== "device")) {
    refuse("the record rests on a key entry that is no device's");
  }
}

async function citedCheckpoint(note, message, before, policy) {
  if (note === null) return null;
  if (!message?.anchor) refuse("the proof holds a cited checkpoint, but the message cites none");
  if (!isSame(await sha256(note), message.anchor.note)) {
    refuse("the message cites another checkpoint than the proof holds");
  }
  const cited = await policy.open(note);
  if (cited.head.size !== message.anchor.size) refuse("the message cites the checkpoint with another size");
  if (cited.head.size > before) refuse("the message cites a log that already had the entry that anchors it");
  return cited;
}

/** Checkpoints that outside ledgers stamped are checked; their receipts are left unread. */
async function readStampedOnes({ stamped, messageProof, checkpointProof }, anchored, policy) {
  const containing = [anchored];
  const unpinned = new Set();
  for (const { checkpoint, path, receipts } of stamped) {
    if (checkpoint !== null) {
      await hop("A stamped checkpoint", `log key ${policy.log.name} or a witness`, async () => {
        const cosigned = await policy.read(checkpoint);
        await included(messageProof.checkpoint, checkpointProof.index, path, cosigned.head);
        containing.push(cosigned);
      });
    }
    for (const { ledger } of receipts) unpinned.add(ledger);
  }
  return { containing, unpinned: [...unpinned] };
}
