// The one stream of live news. It reconnects by itself; a server that is gone is said at once.

import { ask } from "./api.js";
import { factory, takeAll, takeChanged, takeStatus, tell } from "./factory.js";

const AGAIN_MS = 2000;
const STATUS_MS = 10_000;
let source = null;
let wanted = "";
let waiting = 0;

const TAKERS = {
  hello: ({ machines, status }) => {
    takeStatus(status);
    takeAll(machines);
  },
  machines: ({ machines }) => takeChanged(machines),
  status: takeStatus,
  readings: (news) => tell("readings", news),
  alarm: (news) => tell("alarm", news),
  pipeline: (news) => {
    factory.pipeline = news;
    tell("pipeline", news);
  },
  log: (news) => {
    factory.log = { ...factory.log, ...news };
    tell("log", news);
  },
};

/** Listen, with one machine's readings where a view wants them. */
export function follow(device = "") {
  if (source && source.readyState !== EventSource.CLOSED && device === wanted) return;
  wanted = device;
  open();
}

/** Hear nothing more. */
export function hush() {
  clearTimeout(waiting);
  source?.close();
  source = null;
}

function open() {
  hush();
  const query = wanted ? `?${new URLSearchParams({ device: wanted })}` : "";
  const ours = new EventSource(`/api/v1/live${query}`);
  source = ours;
  ours.addEventListener("open", () => connected(true));
  ours.addEventListener("error", () => lost(ours));
  for (const [name, take] of Object.entries(TAKERS)) {
    ours.addEventListener(name, ({ data }) => {
      if (ours === source) take(JSON.parse(data));
    });
  }
}

async function lost(ours) {
  if (ours !== source) return;
  connected(false);
  const closed = ours.readyState === EventSource.CLOSED;
  // A stream cannot see why; asking for the status tells a log in that is needed.
  await askStatus();
  if (closed && ours === source) waiting = setTimeout(open, AGAIN_MS);
}

function connected(is) {
  if (factory.connected === is) return;
  factory.connected = is;
  tell("connected", is);
}

async function askStatus() {
  try {
    takeStatus(await ask("/api/v1/status"));
    return true;
  } catch {
    return false;
  }
}

setInterval(() => {
  if (source && !document.hidden) askStatus();
}, STATUS_MS);
