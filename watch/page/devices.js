// Machines' keys as the log names them: since when and until when each counts.

import { ask } from "./api.js";
import { make } from "./dom.js";
import { factory } from "./factory.js";
import { loading } from "./loading.js";
import { badge, nothing, short, table } from "./table.js";
import { countText, dayText } from "./units.js";

const KINDS = { active: "soft", next: "soft", retired: "soft", revoked: "bad" };

/** Show devices and keys. */
export function devices(root) {
  const content = make("div");
  root.append(content);
  return loading(content, load).end;
}

async function load() {
  const { devices: all } = await ask("/api/v1/devices");
  if (!all.length) return [nothing("No machine's key is enrolled yet.")];
  const rows = all.map(({ device, kind, key, since, until, state, entry, signed_by_gateway: gateway }) => [
    factory.machines.has(device) ? make("a", { href: `#/machine/${encodeURIComponent(device)}` }, device) : device,
    gateway ? `${kind}, signed by gateway ${gateway}` : kind ?? "device", short(key, 24), badge(KINDS[state] ?? "soft", state), when(since), when(until), typeof entry === "number" ? countText(entry) : null,
  ]);
  return [
    table("Keys by whose they are", [{ name: "Whose" }, { name: "Kind" }, { name: "Key" }, { name: "State" }, { name: "Since (UTC)" }, { name: "Until (UTC)" }, { name: "Log entry", number: true }], rows),
  ];
}

/** A time, or whatever else the log goes by. */
function when(value) {
  if (value === null || value === undefined) return null;
  const text = dayText(value);
  return text === "unknown" ? String(value) : text;
}
