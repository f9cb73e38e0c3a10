// Whether every message is accounted for, in a sentence with its numbers; and how far each is.

import { ask } from "./api.js";
import { make, say, set } from "./dom.js";
import { factory, listen } from "./factory.js";
import { nextFrame } from "./frame.js";
import { part } from "./table.js";
import { countText, valueText } from "./units.js";

const STATUS_WORDS = {
  accepted: "signed by an enrolled key", unsigned: "without a signature, kept as evidence", "bad-signature": "the signature does not hold",
  "unknown-device": "no such key is enrolled", revoked: "the key was revoked", malformed: "not what the format allows",
  conflict: "another message has this number already",
};

/** Show the pipeline's numbers. */
export function pipeline(root) {
  const shown = new Pipeline(root);
  const show = () => nextFrame(shown.show);
  const ends = [listen("pipeline", show)];
  ask("/api/v1/pipeline").then((news) => {
    factory.pipeline = news;
    show();
  }, (error) => say(shown.verdict, `${error.message}. ${error.attempt ?? ""}`));
  if (factory.pipeline) show();
  return () => ends.forEach((end) => end());
}

class Pipeline {
  constructor(root) {
    this.verdict = make("p", { class: "verdict", "data-kind": "soft" }, "…");
    this.sum = make("p", { class: "sum" });
    this.stages = make("ol", { class: "stages" });
    this.statuses = make("ul", { class: "bars" });
    root.append(
      this.verdict, this.sum,
      part("From the machine to the log", this.stages),
      part("What was stored, by what is known of it", this.statuses),
    );
    this.show = this.show.bind(this);
  }

  show() {
    const now = factory.pipeline;
    if (!now) return;
    set(this.verdict, "data-kind", now.conserved ? "good" : "bad");
    say(this.verdict, now.conserved ? "✓ Every message that was received is accounted for." : "✕ The numbers do not add up: messages are missing or doubled.");
    const terms = [[now.received, "received"], "=", [now.stored, "stored"], "+", [now.duplicates, "duplicates"], "+", [now.refused, "refused"], "+", [now.in_flight, "in flight"]];
    this.sum.replaceChildren(...terms.map((term) => (typeof term === "string" ? make("i", {}, ` ${term} `) : make("span", {}, make("b", {}, countText(term[0])), ` ${term[1]}`))));
    this.showStages(now);
    this.showStatuses(now.statuses ?? {}, now.stored);
  }

  showStages({ rates, stored, batches, anchored, waiting_for_anchor: waiting, cosigned_size: cosigned }) {
    const rate = rates?.messages_per_second;
    const stages = [
      ["Received", rate === null || rate === undefined ? "–" : valueText(Math.round(rate * 10) / 10), "messages a second"],
      ["Stored", countText(stored), `in ${countText(batches)} signed batches`],
      ["Anchored", countText(anchored), waiting ? `${countText(waiting)} wait for the next checkpoint` : "none waits"],
      ["Cosigned", countText(cosigned), "entries of the anchor log, by witnesses"],
    ];
    this.stages.replaceChildren(...stages.map(([name, number, words]) => make("li", {}, make("span", { class: "name" }, name), make("b", {}, number), make("span", { class: "soft" }, words))));
  }

  showStatuses(statuses, stored) {
    const rows = Object.entries(statuses).sort(([, one], [, other]) => other - one);
    this.statuses.replaceChildren(...rows.map(([name, count]) => {
      const bar = make("meter", { min: 0, max: Math.max(stored, 1), "aria-label": `${name}: ${countText(count)}` });
      bar.value = count;
      return make("li", {}, make("span", {}, make("a", { href: `#/messages?status=${encodeURIComponent(name)}` }, name), make("span", { class: "soft" }, ` ${STATUS_WORDS[name] ?? ""}`)), bar, make("span", { class: "number" }, countText(count)));
    }));
  }
}
