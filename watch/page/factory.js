// What the page knows: machines, status, numbers, log. Views listen; nothing here draws.

import { millis } from "./units.js";

const RECENT = 30;
const listeners = new Map();

export const factory = { machines: new Map(), status: null, pipeline: null, log: null, connected: false, known: false };
let ahead = 0;

/** Be told of one kind of news; what it gives ends that. */
export function listen(kind, hear) {
  if (!listeners.has(kind)) listeners.set(kind, new Set());
  listeners.get(kind).add(hear);
  return () => listeners.get(kind).delete(hear);
}

/** Tell everybody who listens. */
export function tell(kind, news) {
  for (const hear of [...(listeners.get(kind) ?? [])]) hear(news);
}

/** The server's clock, in milliseconds, as far as we know it. */
export function serverNow() {
  return Date.now() + ahead;
}

/** Take the server's word on itself. */
export function takeStatus(status) {
  factory.status = status;
  const theirs = millis(status?.time);
  if (!Number.isNaN(theirs)) ahead = theirs - Date.now();
  tell("status", status);
  if (status?.login === "needed") tell("locked");
}

/** Take all machines there are; those not named are gone. */
export function takeAll(machines) {
  const named = new Set(machines.map(({ device }) => device));
  for (const device of [...factory.machines.keys()]) if (!named.has(device)) factory.machines.delete(device);
  for (const machine of machines) take(machine);
  factory.known = true;
  tell("all", machines);
}

/** Take what changed of some machines. */
export function takeChanged(machines) {
  for (const machine of machines) take(machine);
  tell("machines", machines);
}

/** Seconds since a machine was heard last, or null. */
export function ageOf(machine) {
  return machine.heard === null ? null : (performance.now() - machine.heard) / 1000;
}

function take(news) {
  const known = factory.machines.get(news.device) ?? { alarms: [], lead: null, heard: null };
  const lead = news.lead === undefined ? known.lead : joined(known.lead, news.lead);
  const machine = { ...known, ...news, lead };
  if (news.age !== undefined) machine.heard = news.age === null ? null : performance.now() - news.age * 1000;
  factory.machines.set(news.device, machine);
}

function joined(known, news) {
  if (!news || news.recent) return news;
  const before = known?.metric === news.metric ? known.recent : [];
  return { ...known, ...news, recent: [...before, news.value].slice(-RECENT) };
}
