// Messages of any topic as they are stored, the newest first; each can be proved.

import { ask } from "./api.js";
import { withCorrections } from "./corrected.js";
import { make } from "./dom.js";
import { asking, choice, field, paged } from "./paging.js";
import { proveButton } from "./prove.js";
import { badge, short, table } from "./table.js";
import { countText, dayText } from "./units.js";

const STATUSES = ["accepted", "unsigned", "bad-signature", "unknown-device", "revoked", "malformed", "conflict"];
const COLUMNS = [
  { name: "Received (UTC)" }, { name: "Topic" }, { name: "Status" }, { name: "Message", number: true },
  { name: "Bytes", number: true }, { name: "SHA-256" }, { name: "Proof" },
];
const LIMIT = 50;

/** Show the form, and the newest messages that fit. */
export function messages(root, { query }) {
  const result = make("div", { "aria-live": "polite" });
  const any = [["", "any"], ...STATUSES.map((one) => [one, one])];
  root.append(asking("messages", [field("Machine", "device", query), choice("Status", "status", query, any)]), result);
  const load = async (after) => {
    const { messages: rows, next } = await ask("/api/v1/messages", { device: query.get("device"), status: query.get("status"), limit: LIMIT, after });
    return { rows, next };
  };
  return paged(result, load, drawn, "No message is stored that fits.");
}

function drawn(rows) {
  return table("Stored messages", COLUMNS, rows.map((one) => [
    dayText(one.received_at), withCorrections(one.topic, one.corrections), badge(one.status === "accepted" ? "soft" : "warn", one.status), one.seq === null ? null : countText(one.seq),
    one.size === null ? "erased" : countText(one.size), short(one.payload_hash, 12),
    proveButton({ collector: one.collector, position: one.position }, `the message at ${one.position}`),
  ]));
}
