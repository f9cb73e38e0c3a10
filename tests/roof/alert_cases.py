"""For each alert a story that `promtool test rules` plays: good for five minutes, then not.

A sample comes every 30 s, from the epoch's beginning on. As in Prometheus's unit tests for
rules, `AxN` is A and N times A again, and `A+BxN` grows by B each time.
"""

# ruff: noqa: E501 - rows of a table
import json
from dataclasses import dataclass, field

GROWS, STOPS, BEGINS = "0+10x999", "0+10x9 90x999", "0x9 1+1x999"
APPEARS = "_x9 1+1x999"


def then(before, after):
    """So for five minutes, then so for good."""
    return f"{before}x9 {after}x999"


def sample(name, job, **labels):
    every = {"job": job, "instance": job[0], **labels}
    return name + "{" + ",".join(f'{key}="{value}"' for key, value in every.items()) + "}"


def c(name, **labels):
    return sample(f"factoryledger_collector_{name}", "collect", **labels)


def a(name, **labels):
    return sample(f"factoryledger_anchor_{name}", "anchor", **labels)


def w(name, **labels):
    return sample(f"factoryledger_witness_{name}", "witness", **labels)


def s(name, **labels):
    return sample(f"factoryledger_simulator_{name}", "simulate", **labels)


def g(name, **labels):
    return sample(f"factoryledger_gateway_{name}", "gateway", **labels)


COLLECT = {"job": "collect", "instance": "c"}
ANCHOR = {"job": "anchor", "instance": "a"}
WITNESS = {"job": "witness", "instance": "w"}
SIMULATE = {"job": "simulate", "instance": "s"}
GATEWAY = {"job": "gateway", "instance": "g"}


@dataclass
class Case:
    """`alert` is quiet after four minutes, and fires at a time with these labels and words."""

    alert: str
    at: str
    severity: str
    labels: dict[str, str]
    summary: str
    series: dict[str, str] = field(default_factory=dict)

    def test(self):
        fired = {
            "exp_labels": {"severity": self.severity, **self.labels},
            "exp_annotations": {"summary": self.summary},
        }
        return {
            "name": self.alert,
            "interval": "30s",
            "input_series": [
                {"series": name, "values": values} for name, values in self.series.items()
            ],
            "alert_rule_test": [
                {"eval_time": "4m", "alertname": self.alert, "exp_alerts": []},
                {"eval_time": self.at, "alertname": self.alert, "exp_alerts": [fired]},
            ],
        }


CASES = [
    Case("PartDown", "7m", "critical", COLLECT, "collect on c does not answer", {sample("up", "collect"): then(1, 0)}),
    Case("PartRestarts", "12m", "warning", COLLECT, "collect on c ended and was started again 3 times within an hour",
        {sample("process_start_time_seconds", "collect"): "1x9 100x4 200x4 300x999"}),
    Case("MemoryHigh", "17m", "warning", COLLECT, "collect on c holds 1.5GiB of memory",
        {sample("process_resident_memory_bytes", "collect"): then(200_000_000, 1_610_612_736)}),
    Case("BrokerAway", "7m", "critical", COLLECT, "collect on c has no broker", {c("connected"): then(1, 0)}),
    Case("SessionLost", "6m", "warning", COLLECT, "The broker had forgotten the session of c: foreign messages are gone", {c("sessions_lost_total"): then(0, 1)}),
    Case("FilesRunOut", "11m", "warning", COLLECT, "collect on c has 90 files open, near its limit",
        {sample("process_open_fds", "collect"): then(10, 90), sample("process_max_fds", "collect"): "100x999"}),
    Case("NotConserved", "6m", "critical", COLLECT, "Received is not stored + duplicates + refused + in flight at c",
        {c("messages_received_total"): GROWS, c("messages_stored_total"): "0+10x9 99+10x999", c("messages_duplicate_total"): "0x999",
         c("messages_refused_total"): "0x999", c("messages_in_flight"): "0x999"}),
    Case("MachinesNotConserved", "6m", "critical", SIMULATE, "Recorded is not receipted + held + evicted at s",
        {s("messages_recorded_total"): GROWS, s("messages_receipted_total"): "0+10x9 99+10x999", s("messages_held"): "0x999", s("messages_evicted_total"): "0x999"}),
    Case("GapsStay", "42m", "critical", COLLECT, "3 messages are missing in the store of c, for half an hour", {c("gap_messages"): then(0, 3)}),
    Case("Forked", "6m", "critical", COLLECT, "A machine is cloned or its key is stolen: 1 forks at c", {c("forks"): then(0, 1)}),
    Case("OutboxOverflows", "6m", "critical", SIMULATE, "Full outboxes gave messages up at s: they are lost at their source", {s("messages_evicted_total"): then(0, 5)}),
    Case("MessagesRefused", "6m", "warning", COLLECT, "c keeps messages out of the log", {c("messages_refused_total"): then(0, 5)}),
    Case("MessagesFailed", "6m", "critical", {**COLLECT, "cause": "failed"}, "2 messages could not be judged or stored at c",
        {c("refusals_total", cause="failed"): "_x9 2x999", c("refusals_total", cause="rate"): GROWS}),
    Case("MessagesFalse", "6m", "warning", {**COLLECT, "status": "bad-signature"}, "Messages that are bad-signature come to c",
        {c("messages_judged_total", status="bad-signature"): then(0, 2), c("messages_judged_total", status="accepted"): GROWS}),
    Case("ReadingPaused", "8m", "warning", COLLECT, "The store of c is slower than what comes", {c("reading_paused"): then(0, 1)}),
    Case("NothingCommitted", "8m", "critical", COLLECT, "Messages wait at c and nothing has been committed for a minute",
        {c("messages_in_flight"): then(0, 5), c("last_commit_timestamp_seconds"): "0+30x9 300x999"}),
    Case("CommitsSlow", "20m", "warning", COLLECT, "A transaction of c takes 2.485s",
        {c("commit_seconds_bucket", le="1.0"): STOPS, c("commit_seconds_bucket", le="2.5"): GROWS, c("commit_seconds_bucket", le="+Inf"): GROWS}),
    Case("OutboxesFill", "20m", "warning", SIMULATE, "Outboxes of s hold more than a minute's messages",
        {s("messages_held"): "10x9 100+100x999", s("messages_recorded_total"): "0+30x999"}),
    Case("DiskFillsUp", "40m", "warning", ANCHOR, "The disk of anchor on a is full within a day",
        {sample("factoryledger_disk_free_bytes", "anchor"): "100000000000x9 100000000000-100000000x999"}),
    Case("DiskFull", "7m", "critical", COLLECT, "collect on c has 476.8MiB of disk left",
        {sample("factoryledger_disk_free_bytes", "collect"): then(100_000_000_000, 500_000_000)}),
    Case("ReceiptsLate", "25m", "warning", COLLECT, "Machines send again: receipts of c do not reach them in time",
        {c("messages_received_total"): GROWS, c("messages_duplicate_total"): "0x9 0+5x999"}),
    Case("ReceiptsUnanswered", "13m", "warning", COLLECT, "The broker does not take the receipts of c",
        {c("receipts_unanswered"): then(0, 7), c("receipts_total"): STOPS}),
    Case("MachinesDistrust", "6m", "warning", SIMULATE, "Receipts or checkpoints that do not hold come to the machines of s", {s("distrusted_total"): then(0, 1)}),
    Case("AnchoringLate", "10m", "critical", ANCHOR, "a has published no checkpoint for minutes, and entries wait",
        {a("entries"): GROWS, a("published_entries"): STOPS}),
    Case("PromiseBroken", "7m", "critical", ANCHOR, "Batches were anchored later than the 300 s that their receipts promise",
        {a("commit_to_anchored_seconds_count"): GROWS, a("commit_to_anchored_seconds_bucket", le="300.0"): STOPS}),
    Case("LogNotGrowing", "16m", "critical", {}, "Messages are stored and the anchor log does not grow",
        {c("messages_stored_total"): GROWS, a("appended_total"): STOPS}),
    Case("EntriesRefused", "6m", "critical", ANCHOR, "2 entries may not come into the log: a store was changed, or a key is revoked", {a("refused_total"): then(0, 2)}),
    Case("AnchorInterrupted", "10m", "warning", ANCHOR, "Disk or store fail a again and again", {a("interruptions_total"): BEGINS}),
    Case("WitnessMissing", "12m", "warning", {**ANCHOR, "witness": "near"}, "The witness near does not cosign", {a("witness_failures_total", witness="near"): APPEARS}),
    Case("WitnessSilent", "27m", "warning", {}, "Checkpoints are published, and no witness that is watched here cosigned one",
        {a("checkpoints_total"): GROWS, w("answers_total", status="200"): STOPS}),
    Case("WitnessSeesFork", "6m", "critical", {**WITNESS, "status": "422"}, "w was shown a log that does not continue what it had cosigned", {w("answers_total", status="422"): APPEARS}),
    Case("StampsOld", "380m", "warning", {**ANCHOR, "ledger": "office"}, "The newest stamp of office is 6h 15m 0s old",
        {a("ledger_newest_stamp_timestamp_seconds", ledger="office"): "0+30x9 300x999"}),
    Case("StampsRefused", "6m", "warning", {**ANCHOR, "ledger": "office"}, "office refuses checkpoints, or gives receipts that do not hold", {a("ledger_refused_total", ledger="office"): then(0, 1)}),
    Case("ClockAhead", "6m", "critical", COLLECT, "The clock behind collect on c is 1m 40s ahead", {c("last_commit_timestamp_seconds"): "0+30x9 400+30x999"}),
    Case("ClockBehind", "7m", "critical", COLLECT, "collect on c commits now, and its clock says 3m 20s ago",
        {c("messages_stored_total"): GROWS, c("last_commit_timestamp_seconds"): "0+30x9 100+30x999"}),
    Case("MachinesLate", "40m", "warning", COLLECT, "Messages come more than 5 minutes after their own time: a machine's clock is behind, or an outbox catches up",
        {c("machine_to_commit_seconds_count"): GROWS, c("machine_to_commit_seconds_bucket", le="300.0"): STOPS}),
    Case("GatewayNotConserved", "6m", "critical", GATEWAY, "Recorded is not receipted + held + evicted at the gateway g",
        {g("messages_recorded_total"): GROWS, g("messages_receipted_total"): "0+10x9 99+10x999", g("messages_held"): "0x999", g("messages_evicted_total"): "0x999"}),
    Case("GatewayOverflows", "6m", "critical", GATEWAY, "Full outboxes of the gateway g gave messages up: they are lost", {g("messages_evicted_total"): then(0, 5)}),
    Case("GatewayFills", "20m", "warning", GATEWAY, "The gateway g holds more than a minute's messages",
        {g("messages_held"): "10x9 100+100x999", g("messages_recorded_total"): "0+30x999"}),
    Case("GatewayLeavesOut", "6m", "warning", GATEWAY, "The gateway g acknowledges messages that it cannot sign", {g("messages_unsignable_total"): then(0, 1)}),
]  # fmt: skip


def rendered(rules):
    """The file that promtool reads: YAML, which JSON is."""
    tests = [case.test() for case in CASES]
    return json.dumps({"rule_files": [str(rules)], "evaluation_interval": "30s", "tests": tests})
