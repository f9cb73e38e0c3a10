// The page: takes a proof and a policy, shows the verdict. Whatever comes from a file goes into
// the document as text, never as markup.

import { plain } from "./words.js";
import { Refused, SECOND, Undecided, hex, strictUtf8, timeText, utf8 } from "./bytes.js";
import { isAble } from "./ed25519.js";
import { readPolicy } from "./policy.js";
import { verifyProof } from "./verify.js";
import { gaps, sentences, uncheckedHere } from "./sentences.js";
import { drawPath } from "./drawing.js";



const VERDICTS = {
  valid: ["Valid", "Every signature and path that this page checks holds, from the keys in the policy down to the message."],
  refused: ["Not valid", "This proof does not show what it claims. The first thing that does not hold:"],
  undecided: ["Not decided here", "Nothing was found false, but what decides it is not checked by this page. Use `factoryledger verify`."],
  unreadable: ["The policy cannot be used", "Nothing was checked: the policy says whose keys to trust."],
  unable: ["This browser cannot check it", "It has no Ed25519 or SHA-256 in WebCrypto, so nothing was verified. A newer browser has, and so has `factoryledger verify`."],
};
const given = { proof: null, policy: null };
let runs = 0;

const byId = (id) => document.getElementById(id);

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

/** Take bytes as proof or policy, and check once both are there. */
async function take(kind, name, data) {
  given[kind] = data;
  byId(`${kind}-name`).textContent = data.length || name ? `${plain(name)}, ${data.length.toLocaleString("en")} bytes` : "";
  byId(`${kind}-box`).classList.toggle("given", true);
  await check();
}

async function takeFile(kind, file) {
  await take(kind, file.name, new Uint8Array(await file.arrayBuffer()));
}

/** Which of the two a file is that was dropped anywhere. */
async function takeDropped(files) {
  for (const file of files) {
    const start = await file.slice(0, 1).text();
    await takeFile(start === "{" ? "proof" : "policy", file);
  }
}

async function check() {
  if (!given.proof || !given.policy) {
    byId("waiting").textContent = given.proof ? "Now the policy: whose keys you trust." : "Now the proof file.";
    return;
  }
  const run = (runs += 1);
  const outcome = await outcomeOf(given.proof, given.policy);
  // A file that came meanwhile has its own run.
  if (run === runs) show(outcome, run);
}

/** { verdict, reason } or { verdict, verified }; never throws. */
async function outcomeOf(proof, policyBytes) {
  if (!(await isAble())) return { verdict: "unable" };
  let policy;
  try {
    policy = await readPolicy(policyBytes);
  } catch (error) {
    return failed(error, "unreadable");
  }
  try {
    return { verdict: "valid", verified: await verifyProof(proof, policy) };
  } catch (error) {
    return failed(error, "refused");
  }
}

function failed(error, verdict) {
  if (error instanceof Undecided) return { verdict: "undecided", reason: error.message };
  if (error instanceof Refused) return { verdict, reason: error.message };
  // A fault of this page's own must not pass for a proof that holds.
  return { verdict: "undecided", reason: `this page failed: ${error}` };
}

function show({ verdict, reason, verified }, run) {
  const [title, meaning] = VERDICTS[verdict];
  byId("waiting").textContent = "";
  const result = byId("result");
  result.replaceChildren(element("h2", title), element("p", meaning, "meaning"));
  result.className = verdict;
  if (reason) result.append(element("p", reason.endsWith(".") ? reason : `${reason}.`, "reason"));
  if (verified) result.append(...shown(verified));
  result.hidden = false;
  result.dataset.run = run;
  result.dataset.verdict = verdict;
  result.focus();
}

function shown(verified) {
  const parts = [section("What is proven", sentences(verified), "proven"), section("What is not proven", gaps(verified), "open")];
  const unchecked = uncheckedHere(verified);
  if (unchecked.length) parts.push(section("Not checked here", unchecked, "unchecked"));
  return [...parts, pathSection(verified), details(verified)];
}

function section(title, lines, kind) {
  const made = element("section", undefined, kind);
  const list = element("ul");
  list.append(...lines.map((line) => element("li", kind === "open" ? line[0].toUpperCase() + line.slice(1) : line)));
  made.append(element("h3", title), list);
  return made;
}

function pathSection({ lower, upper, certified }) {
  const made = element("section", undefined, "paths");
  const figures = element("div", undefined, "figures");
  figures.append(
    figure("1. The message in its collector's log", drawPath(lower, "this message", "the collector's log"), lower),
    figure("2. That log in the anchor log", drawPath(upper, `checkpoint of ${certified.collector.slice(0, 16)}`, "the anchor log"), upper),
  );
  made.append(element("h3", "The path"), figures);
  return made;
}

function figure(title, svg, { index, size }) {
  const made = element("figure");
  made.append(element("figcaption", title), svg, element("p", `Leaf ${index} of ${size}`, "leaf"));
  return made;
}

function details({ record, file, certified, anchored, policy, before, after }) {
  const made = element("details");
  const list = element("dl");
  const text = file.payload && payloadText(file.payload);
  const rows = [
    ["Status", record.status],
    ["Topic", plain(record.topic)],
    ["Device, session, number", record.device && `${record.device}, ${record.session}, ${record.seq}`],
    ["Machine's key", record.key],
    ["Received", timeText(record.received)],
    ["Signed not before", before && timeText(before.time * SECOND)],
    ["In the log not after", after && timeText(after.time * SECOND)],
    ["Collector", `${certified.collector}, position ${file.messageProof.index}`],
    ["Anchor log", `${anchored.head.origin}, entry ${file.checkpointProof.index} of ${anchored.head.size}`],
    ["Operator", policy.operator.name],
    ["Quorum", plain(policy.quorum)],
    ["Payload", text ?? "erased, or none"],
  ];
  for (const [name, value] of rows) if (value) list.append(element("dt", name), element("dd", String(value)));
  made.append(element("summary", "Details"), list);
  return made;
}

function payloadText(payload) {
  try {
    return plain(strictUtf8.decode(payload.subarray(0, 4096)));
  } catch {
    return hex(payload.subarray(0, 512));
  }
}

function wire(kind) {
  byId(`${kind}-file`).addEventListener("change", ({ target }) => {
    if (target.files.length) takeFile(kind, target.files[0]);
    // So that the same file, changed, can be chosen again.
    target.value = "";
  });
  byId(`${kind}-text`).addEventListener("input", ({ target }) => {
    const text = target.value && !target.value.endsWith("\n") ? `${target.value}\n` : target.value;
    if (text) take(kind, "pasted", utf8(text));
  });
}

for (const kind of ["proof", "policy"]) wire(kind);
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  takeDropped(event.dataTransfer.files);
});
