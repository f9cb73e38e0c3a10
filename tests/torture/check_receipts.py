"""Every receipt is honoured: its messages are in the store, in the log, and anchored."""

from collections import defaultdict
from hashlib import sha256

from torture_findings import Finding, of


def check_receipts(events):
    stored, anywhere = defaultdict(dict), {}
    for row in of(events, "row"):
        if row["status"] == "accepted":
            key = row["device"], row["session"], row["seq"]
            stored[row["collector"]][key] = row
            anywhere.setdefault(key, row)
    logged = _sizes(of(events, "batch"), lambda batch: batch["start"] + batch["size"])
    heads = [entry for entry in of(events, "entry") if entry.get("collector")]
    anchored = _sizes(heads, lambda entry: entry["size"])
    for receipt in of(events, "receipt"):
        yield from _honoured(receipt, stored[receipt["collector"]], logged, anchored)
        yield from _its_bytes(receipt, stored[receipt["collector"]])
    yield from _freed(events, anywhere, logged, anchored)


def _sizes(events, size):
    found = defaultdict(int)
    for event in events:
        found[event["collector"]] = max(found[event["collector"]], size(event))
    return found


def _honoured(receipt, stored, logged, anchored):
    """One finding a receipt and kind, with the first message that it is about."""
    said = set()
    for key in _keys(receipt):
        row = stored.get(key)
        for kind, what in _wrong(row, logged, anchored):
            if kind not in said:
                said.add(kind)
                yield Finding(kind, f"{' '.join(map(str, key))} was receipted and is {what}")


def _wrong(row, logged, anchored):
    if row is None:
        yield "receipt-broken", "not in the store of that collector"
    else:
        if row["position"] >= logged[row["collector"]]:
            yield "receipt-not-logged", "in no batch of that collector's log"
        if row["position"] >= anchored[row["collector"]]:
            yield "receipt-not-anchored", "under no anchored checkpoint"


def _its_bytes(receipt, stored):
    """What the receipt says of the bodies is what is stored."""
    rows = [stored.get(key) for key in _keys(receipt)]
    if None in rows:
        return
    digest = sha256(b"".join(bytes.fromhex(row["body"]) for row in rows)).hexdigest()
    if digest != receipt["bodies"]:
        name = f"{receipt['device']} {receipt['session']} {receipt['ranges']}"
        yield Finding("receipt-false", f"{name}: the receipt is of other bytes than are stored")


def _freed(events, anywhere, logged, anchored):
    """What a machine let go of, it had a receipt for that it took for good."""
    for event in of(events, "freed"):
        if event["evicted"]:
            yield Finding("evicted", f"{event['device']} {event['session']} {event['ranges']}")
        else:
            yield from _honoured(event, anywhere, logged, anchored)


def _keys(event):
    return [
        (event["device"], event["session"], seq)
        for first, last in event["ranges"]
        for seq in range(first, last + 1)
    ]
