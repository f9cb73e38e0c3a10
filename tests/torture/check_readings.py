"""Every reading that a machine recorded is stored once, as it was, in order, its chain whole."""

from collections import defaultdict

from torture_findings import Finding, of, place


def check_readings(events):
    recorded = _recorded(events)
    rows = of(events, "row")
    accepted = [row for row in rows if row["status"] == "accepted"]
    yield from _recorded_twice(events)
    yield from _lost(recorded, accepted)
    yield from _doubled(accepted)
    yield from _altered(recorded, accepted)
    yield from _judged(rows)
    yield from _out_of_order(accepted)
    yield from _broken_chain(accepted)
    yield from _tallies(events, recorded)


def _recorded(events):
    return {(e["device"], e["session"], e["seq"]): e for e in of(events, "recorded")}


def _recorded_twice(events):
    """A number that an outbox gave twice is a fork, whatever is stored of it."""
    bodies = {}
    for event in of(events, "recorded"):
        key = event["device"], event["session"], event["seq"]
        if bodies.setdefault(key, event["body"]) != event["body"]:
            yield Finding("number-reused", f"{place(event)} was recorded with two bodies")


def _lost(recorded, accepted):
    stored = {(row["device"], row["session"], row["seq"]) for row in accepted}
    for key, event in recorded.items():
        if key not in stored:
            yield Finding("lost", f"{place(event)} was recorded and is in no store")


def _doubled(accepted):
    seen = set()
    for row in accepted:
        key = row["store"], row["device"], row["session"], row["seq"]
        if key in seen:
            yield Finding("doubled", f"{place(row)} is in {row['store']} more than once")
        seen.add(key)


def _altered(recorded, accepted):
    for row in accepted:
        event = recorded.get((row["device"], row["session"], row["seq"]))
        if event is None:
            yield Finding("invented", f"{place(row)} is stored and no machine recorded it")
        elif event["body"] != row["body"]:
            yield Finding("altered", f"{place(row)} is stored with another body")


def _judged(rows):
    """Nobody forges here: accepted, not yet known when it came first, or never signed."""
    for row in rows:
        unsigned = row["status"] == "unsigned" and row["kind"] in {"death", "stranger"}
        if not unsigned and row["status"] not in {"accepted", "unknown-device"}:
            where = f"{row['collector']}:{row['position']}"
            yield Finding("misjudged", f"{where} is {row['status']}, and nobody forged it")


def _out_of_order(accepted):
    sessions = defaultdict(set)
    for row in accepted:
        sessions[row["device"], row["session"]].add(row["seq"])
    for (device, session), seqs in sessions.items():
        if seqs != set(range(len(seqs))):
            missing = sorted(set(range(max(seqs) + 1)) - seqs)[:5]
            yield Finding("gap", f"{device} {session} lacks {missing}")


def _broken_chain(accepted):
    """From the one without a `prev`, every message of a machine is on one path."""
    machines = defaultdict(dict)
    for row in accepted:
        machines[row["device"]][row["body"]] = row
    for device, by_body in machines.items():
        after = defaultdict(list)
        for row in by_body.values():
            after[row["prev"]].append(row)
        for prev, rows in after.items():
            if len(rows) > 1:
                yield Finding("fork", f"{', '.join(map(place, rows))} follow the same message")
            if prev is not None and prev not in by_body:
                yield Finding("chain", f"{place(rows[0])} follows a message that is not stored")
        if None not in after:
            yield Finding("chain", f"{device} has no first message")
        yield from _unreached(device, after, len(by_body))


def _unreached(device, after, count):
    at, reached = None, 0
    while after.get(at) and reached <= count:
        row = after[at][0]
        if row["body"] == at:
            break
        at, reached = row["body"], reached + 1
    forked = any(len(rows) > 1 for rows in after.values())
    if reached != count and not forked:
        yield Finding("chain", f"{device}: {reached} of {count} messages are on its chain")


def _tallies(events, recorded):
    """What the machines say of themselves is what was seen of them."""
    for event in of(events, "tally"):
        said, part = event["said"], event["part"]
        if not said:
            yield Finding("no-tally", f"{part} never said what became of its messages")
            continue
        seen = sum(key[0].startswith(part) for key in recorded)
        if said["recorded"] != seen:
            yield Finding("miscounted", f"{part} says {said['recorded']} recorded, seen {seen}")
        if said["held"] or said["evicted"]:
            yield Finding("held", f"{part} holds {said['held']}, evicted {said['evicted']}")
