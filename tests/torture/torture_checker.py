"""The verdict on a history: what was promised and not kept. Pure: events in, findings out."""

from collections import Counter

from check_foreign import check_foreign, owed
from check_logs import check_logs
from check_readings import check_readings
from check_receipts import check_receipts
from check_running import check_running
from torture_findings import Finding

__all__ = ["Finding", "check", "summary"]

CHECKS = (check_readings, check_foreign, check_receipts, check_logs, check_running)


def check(events):
    """All findings of a history; none is a good run."""
    return [finding for one in CHECKS for finding in one(events)]


def summary(events, findings):
    """Count what was done and checked, for whoever compares runs."""
    rows = [e for e in events if e["event"] == "row" and e["status"] == "accepted"]
    once = {(e["device"], e["session"], e["seq"]) for e in rows}
    recorded = {(e["device"], e["session"], e["seq"]) for e in events if e["event"] == "recorded"}
    kinds = Counter(finding.kind for finding in findings)
    per_store = Counter((e["store"], e["device"], e["session"], e["seq"]) for e in rows)
    return {
        "struck_for": max((e["seconds"] for e in _of(events, "calm")), default=0.0),
        "faults": dict(sorted(Counter(e["kind"] for e in _of(events, "strike")).items())),
        "skipped": len(_of(events, "skipped")),
        "ended": len(_of(events, "ended")),
        "recorded": len(recorded),
        "stored_once": len(once & recorded),
        "copies": len(per_store) - len(once),
        "doubled": sum(count - 1 for count in per_store.values()),
        "lost": len(recorded - once),
        "foreign_acknowledged": len(_of(events, "published")),
        "foreign_owed": len(owed(events)),
        "receipts_checked": len(_of(events, "receipt")) + len(_of(events, "freed")),
        "checkpoints_checked": len(_of(events, "checkpoint")) + len(_of(events, "batch")),
        "megabytes": {e["part"]: e["megabytes"] for e in _of(events, "memory")},
        "findings": dict(sorted(kinds.items())),
    }


def _of(events, name):
    return [event for event in events if event["event"] == name]
