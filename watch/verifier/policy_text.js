// The grammar of C2SP tlog-policy, and the operator's key in a comment (anchor/policy_text.py).
// Names are octets; what is no UTF-8 is kept as lone surrogates, which no key's name may hold.

import { repr } from "./words.js";
import { decimal, hex, isSame, refuse, strictUtf8 } from "./bytes.js";
import { COSIGNATURE, ED25519, ML_DSA_44, readVkey } from "./note.js";



export const NONE = "none";

/** UTF-8, and each octet that is none as a lone surrogate, as Python's surrogateescape. */
export function octetText(line) {
  if (line.some((byte) => (byte < 0x20 && byte !== 9) || byte === 0x7f)) refuse("it holds a control character");
  try {
    return strictUtf8.decode(line);
  } catch {
    let text = "";
    for (let at = 0; at < line.length; ) {
      const length = [1, 2, 3, 4].find((bytes) => at + bytes <= line.length && isUtf8(line.subarray(at, at + bytes)));
      text += length ? strictUtf8.decode(line.subarray(at, at + length)) : String.fromCharCode(0xdc00 + line[at]);
      at += length ?? 1;
    }
    return text;
  }
}

function isUtf8(data) {
  try {
    return strictUtf8.decode(data).length > 0;
  } catch {
    return false;
  }
}

export class PolicyLines {
  logs = [];
  witnesses = new Map();
  groups = [];
  quorum = null;
  operator = null;
  former = [];
  names = new Set();
  members = new Set();

  async read(line) {
    const items = line.split(/[ \t]+/).filter((item) => item);
    if (!items.length) return;
    const [word, ...rest] = items;
    if (word === "log") await this.log(rest);
    else if (word === "witness") await this.witness(rest);
    else if (word === "group") this.group(rest);
    else if (word === "quorum") this.takeQuorum(rest);
    else if (word.startsWith("#")) await this.comment(items);
    else refuse(`unknown keyword ${repr(word.slice(0, 100))}`);
  }

  async comment(items) {
    const [hash, word, vkey, size] = items;
    if (hash !== "#") return;
    if (word === "factoryledger-former-log") {
      if (items.length !== 4) refuse("a former log's line is '# factoryledger-former-log <vkey> <size>'");
      const until = decimal(size, "size that a former log's key counts up to");
      this.former.push({ key: await keyOf(vkey, [ED25519], "a log's"), size: until });
    } else if (word === "factoryledger-operator") {
      if (items.length !== 3 || this.operator) {
        refuse("a policy has at most one line '# factoryledger-operator <vkey>'");
      }
      this.operator = await keyOf(vkey, [ED25519], "an operator's");
    }
  }

  async log(items) {
    if (items.length !== 1 && items.length !== 2) refuse("a log line is 'log <vkey> [<url>]'");
    const key = await keyOf(items[0], [ED25519, ML_DSA_44], "a log's");
    if (this.logs.some((other) => isSame(other.bytes, key.bytes))) refuse(`log ${repr(key.name)} has the key of another log`);
    this.logs.push(key);
  }

  async witness(items) {
    if (items.length !== 2 && items.length !== 3) refuse("a witness line is 'witness <name> <vkey> [<url>]'");
    const [name, vkey] = items;
    const key = await keyOf(vkey, [COSIGNATURE, ML_DSA_44], "a witness's");
    if ([...this.witnesses.values()].some((other) => isSame(other.bytes, key.bytes))) {
      refuse(`witness ${repr(name)} has the key of another witness`);
    }
    this.define(name);
    this.witnesses.set(name, key);
  }

  group(items) {
    if (items.length < 3) refuse("a group line is 'group <name> all|any|<k> <name>...'");
    const [name, threshold, ...members] = items;
    for (const member of members) {
      this.require(member);
      if (this.members.has(member)) refuse(`${repr(member)} is a member of a group already`);
      this.members.add(member);
    }
    this.define(name);
    this.groups.push({ name, threshold: thresholdOf(threshold, members.length), members });
  }

  takeQuorum(items) {
    if (items.length !== 1 || this.quorum !== null) refuse("a policy has exactly one line 'quorum <name>'");
    if (items[0] !== NONE) this.require(items[0]);
    [this.quorum] = items;
  }

  define(name) {
    if (name === NONE || this.names.has(name)) refuse(`the name ${repr(name)} is taken`);
    this.names.add(name);
  }

  require(name) {
    if (!this.names.has(name)) refuse(`${repr(name)} is not defined on a line before`);
  }

  /** A witness that is a log or the operator would let the operator meet a quorum alone. */
  checkDistinct() {
    const own = [...this.logs, ...(this.operator ? [this.operator] : [])];
    for (const { key } of this.former) {
      if (!this.logs.some((log) => log.name === key.name)) {
        refuse(`${key.name} is a former log, and no log line names it now`);
      }
      own.push(key);
    }
    if (new Set(own.map((key) => hex(key.bytes))).size < own.length) {
      refuse("a log's, a former log's and the operator's key are not all different");
    }
    for (const [name, witness] of this.witnesses) {
      for (const key of own) {
        if (isSame(witness.bytes, key.bytes) || witness.name === key.name) {
          refuse(`witness ${repr(name)} is ${key.name}, not independent`);
        }
      }
    }
  }
}

async function keyOf(vkey, algorithms, whose) {
  const key = await readVkey(vkey);
  if (!algorithms.includes(key.algorithm)) {
    refuse(`${key.name} has signature type 0x${hex([key.algorithm])}, not ${whose}`);
  }
  return key;
}

function thresholdOf(text, members) {
  if (text === "any") return 1;
  if (text === "all") return members;
  if (!/^[1-9][0-9]{0,8}$/.test(text) || Number(text) > members) {
    refuse(`threshold ${repr(text.slice(0, 100))} is not any, all or a count up to ${members}`);
  }
  return Number(text);
}
