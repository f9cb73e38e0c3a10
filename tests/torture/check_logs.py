"""Both kinds of log only ever grew: each head that anybody was shown is one of the last tree."""

from collections import defaultdict

from torture_findings import Finding, of
from torture_tree import roots_at


def check_logs(events):
    entries = of(events, "entry")
    yield from _anchor_log(events, entries)
    yield from _never_back(events)
    yield from _collectors(events, entries)
    yield from _readable(events)


def _anchor_log(events, entries):
    seen = of(events, "checkpoint")
    leaves = [bytes.fromhex(entry["leaf"]) for entry in entries]
    roots = roots_at(leaves, {event["size"] for event in seen})
    by_size = {}
    for event in seen:
        size, root, where = event["size"], event["root"], event["where"]
        if by_size.setdefault(size, root) != root:
            yield Finding("split-view", f"two roots of the anchor log at size {size}, by {where}")
        if size not in roots:
            yield Finding("log-cut", f"{where} showed size {size}, the log has {len(leaves)}")
        elif roots[size].hex() != root:
            yield Finding("log-rewritten", f"the head of size {size} by {where} is of another log")
    if not any(event["published"] for event in seen):
        yield Finding("unpublished", "no checkpoint was ever published")


def _never_back(events):
    """What one place shows never becomes smaller."""
    most = defaultdict(int)
    for event in of(events, "checkpoint"):
        where = event["where"]
        if where != "kept":
            if event["size"] < most[where]:
                yield Finding("went-back", f"{where} from {most[where]} to {event['size']}")
            most[where] = max(most[where], event["size"])


def _collectors(events, entries):
    leaves, batches, anchored = defaultdict(dict), defaultdict(list), defaultdict(list)
    for row in of(events, "row"):
        if row["position"] in leaves[row["collector"]]:
            where = f"{row['collector']}:{row['position']}"
            yield Finding("position-twice", f"{where} is there more than once")
        leaves[row["collector"]][row["position"]] = bytes.fromhex(row["leaf"])
    for batch in of(events, "batch"):
        batches[batch["collector"]].append(batch)
    for entry in entries:
        if entry.get("collector"):
            anchored[entry["collector"]].append((entry["size"], entry["root"]))
    for collector in {*leaves, *batches, *anchored}:
        yield from _grown(collector, leaves[collector], batches[collector])
        yield from _carried(collector, batches[collector], anchored[collector])


def _grown(collector, leaves, batches):
    """Batches follow one another, and each root is that of the rows."""
    positions = sorted(leaves)
    if positions != list(range(len(positions))):
        yield Finding("position-gap", f"the positions of {collector} are not 0 to {len(leaves)}")
        return
    end = 0
    for batch in sorted(batches, key=lambda batch: batch["number"]):
        if batch["start"] != end:
            yield Finding("batch-gap", f"{collector} batch {batch['number']} begins not at {end}")
        end = batch["start"] + batch["size"]
    if end != len(positions):
        yield Finding("batch-gap", f"{collector} has {len(positions)} rows, {end} in batches")
    roots = roots_at(
        [leaves[position] for position in positions], {b["start"] + b["size"] for b in batches}
    )
    for batch in batches:
        size = batch["start"] + batch["size"]
        if size in roots and roots[size].hex() != batch["root"]:
            yield Finding("batch-root", f"{collector} batch {batch['number']} has another root")


def _carried(collector, batches, anchored):
    """The anchor log has each batch's head, in order, once."""
    heads = [
        (batch["start"] + batch["size"], batch["root"])
        for batch in sorted(batches, key=lambda batch: batch["number"])
    ]
    if heads != anchored:
        common = sum(1 for one, other in zip(heads, anchored, strict=False) if one == other)
        yield Finding(
            "anchored-otherwise",
            f"{collector} has {len(heads)} batches, {len(anchored)} are anchored; "
            f"{common} are the same",
        )


def _readable(events):
    """What is published can be read, but while it lies damaged by a strike."""
    damaged = set()
    for event in events:
        if event["event"] == "damaged":
            damaged.add(event["file"])
        elif event["event"] == "mended":
            damaged.discard(event["file"])
        elif event["event"] == "unreadable" and event["what"] not in damaged:
            yield Finding("unreadable", f"a {event['what']}: {event['detail']}")
