// What the reader pins, read from a policy file: it opens checkpoints, and tells what witnesses'
// times bound (anchor/policy.py, anchor/time_bounds.py).

import { repr } from "./words.js";
import { Refused, Undecided, hex, refuse } from "./bytes.js";
import { ML_DSA_44, checkSigned, cosignatureOf, lineOf, readHead, readNote } from "./note.js";
import { NONE, PolicyLines, octetText } from "./policy_text.js";



const MAX_POLICY = 1 << 20;

/** Every line of a policy file, or Refused with the number of the first that is not allowed. */
export async function readPolicy(data) {
  if (data.length > MAX_POLICY) refuse(`a policy of ${data.length} bytes; at most ${MAX_POLICY} are read`);
  if (data.length && data.at(-1) !== 10) refuse("the policy's last line does not end in a newline");
  const lines = new PolicyLines();
  let start = 0;
  for (let at = 0, number = 1; at < data.length; at += 1) {
    if (data[at] !== 10) continue;
    try {
      await lines.read(octetText(data.subarray(start, at)));
    } catch (error) {
      if (error instanceof Refused) refuse(`policy line ${number}: ${error.message}`);
      throw error;
    }
    start = at + 1;
    number += 1;
  }
  if (lines.quorum === null) refuse("the policy has no quorum line");
  lines.checkDistinct();
  if (!lines.operator) {
    refuse("the policy names no operator: a line `# factoryledger-operator` is due");
  }
  if (lines.logs.length !== 1) refuse(`the policy names ${lines.logs.length} logs where one is due`);
  return new Policy(lines);
}

class Policy {
  constructor(lines) {
    [this.log] = lines.logs;
    const { operator, former, witnesses, groups, quorum } = lines;
    Object.assign(this, { operator, former, witnesses, groups, quorum });
  }

  metBy(names) {
    const met = new Set(names);
    for (const { name, threshold, members } of this.groups) {
      if (members.filter((member) => met.has(member)).length >= threshold) met.add(name);
    }
    return this.quorum === NONE || met.has(this.quorum);
  }

  /** How many more witnesses, at least, would have to cosign for the quorum to be met. */
  lacking(names) {
    if (this.quorum === NONE) return 0;
    const lacks = new Map([...this.witnesses.keys()].map((name) => [name, names.includes(name) ? 0 : 1]));
    for (const { name, threshold, members } of this.groups) {
      const least = members.map((member) => lacks.get(member)).sort((one, other) => one - other);
      lacks.set(name, least.slice(0, threshold).reduce((sum, count) => sum + count, 0));
    }
    return lacks.get(this.quorum);
  }

  /** Check a log's signature, every known witness's that can be checked here, and the quorum. */
  async open(data) {
    const cosigned = await this.read(data);
    const names = [...cosigned.times.keys()];
    if (this.metBy(names)) return cosigned;
    const unchecked = [...cosigned.unchecked];
    if (this.metBy([...names, ...unchecked])) {
      throw new Undecided(
        `the quorum ${repr(this.quorum)} needs ${unchecked.join(", ")}, whose ML-DSA-44 cosignature is not checked here`,
      );
    }
    return refuse(`the quorum ${repr(this.quorum)} is not met; cosigned by: ${names.join(", ") || "none"}`);
  }

  /** The same but for the quorum: { head, times (of the checked, by name), unchecked, bytes }. */
  async read(data) {
    const note = readNote(data);
    const head = await readHead(note.text);
    await this.checkLog(note, head);
    const times = new Map();
    const unchecked = new Set();
    for (const [name, key] of this.witnesses) {
      const found = await cosignatureOf(note, key, head);
      if (found?.checked) times.set(name, found.time);
      else if (found) unchecked.add(name);
    }
    return { head, times, unchecked, bytes: data };
  }

  async checkLog(note, head) {
    if (head.origin !== this.log.name) refuse(`the policy names no log of origin ${repr(head.origin)}`);
    if (this.log.algorithm === ML_DSA_44) {
      throw new Undecided("the log signs by ML-DSA-44, which is not checked here");
    }
    if (!lineOf(note, this.log) && (await this.isByFormer(note, head))) return;
    await checkSigned(note, this.log);
  }

  async isByFormer(note, head) {
    for (const { key, size } of this.former) {
      if (!lineOf(note, key)) continue;
      await checkSigned(note, key);
      if (head.origin !== key.name) refuse(`the checkpoint is of ${repr(head.origin)}, not of ${repr(key.name)}`);
      if (head.size > size) {
        refuse(
          `the checkpoint of size ${head.size} is signed by key ${hex(key.id)}, ` +
            `which counts up to size ${size}: the log's key was rotated there`,
        );
      }
      return true;
    }
    return false;
  }

  /** The latest T such that cosignatures from T on meet the quorum: { time, witnesses }, or null. */
  notBefore(cosigned) {
    if (this.quorum === NONE) return null;
    const timed = [...cosigned.times].filter(([, time]) => time);
    for (const bound of sorted(timed.map(([, time]) => time)).toReversed()) {
      const from = timed.filter(([, time]) => time >= bound).map(([name]) => name);
      if (this.metBy(from)) return { time: bound, witnesses: from };
    }
    return null;
  }

  /** The earliest T such that cosignatures until T, on any of these, meet the quorum. */
  notAfter(containing) {
    if (!this.lacking([])) return null;
    const earliest = new Map();
    for (const [name, time] of containing.flatMap(({ times }) => [...times])) {
      if (time && (!earliest.has(name) || time < earliest.get(name))) earliest.set(name, time);
    }
    for (const bound of sorted([...earliest.values()])) {
      const seen = [...earliest].filter(([, time]) => time <= bound).map(([name]) => name);
      if (this.lacking(seen) <= 0) return { time: bound, witnesses: seen };
    }
    return null;
  }
}

function sorted(times) {
  return times.toSorted((one, other) => (one < other ? -1 : Number(one > other)));
}
