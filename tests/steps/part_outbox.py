"""A machine's outbox: what `record` returned for is there, and what went out stays after a cut."""

import json

from simulator.errors import OutboxUnwritable
from simulator.outbox import Outbox
from telemetry.message import parse
from telemetry.receipt import ReceiptLeaf, as_ranges, bodies_digest
from telemetry.signature import SigningKey
from telemetry.topic import MachineTopic

KEY = SigningKey.from_seed(bytes(32))
TOPIC = MachineTopic("", "works", "north", "machining", "line-1", "mill-01", "telemetry")
MESSAGES = 26
TRIES = 12
ALONE = True  # all that it keeps is on its own disk


def open_outbox(folder, session):
    return Outbox(
        "mill-01", KEY, TOPIC, folder / "disk" / "o", session=session, limit=10, compact_at=3000
    )


def prepare(folder):
    (folder / "disk").mkdir()


def record(outbox, tell, value, kept):
    """Record one, again where the disk was full; an eviction's event counts as one too."""
    before = outbox.evicted
    for left in reversed(range(TRIES)):
        try:
            entry = outbox.record("telemetry", time=0, readings={"n": float(value)})
            break
        except OutboxUnwritable as error:
            if "free some space" not in str(error) or not left:
                raise
    if outbox.evicted != before:
        event = next(e for e in reversed(outbox._held.values()) if e.kind == "event")
        kept.append(event)
        tell("recorded", *event.place, event.body_hash.hex())
        for session in {place[0] for place in evicted([event])}:
            tell("freed", session, [n for s, n in evicted([event]) if s == session])
    kept.append(entry)
    tell("recorded", *entry.place, entry.body_hash.hex())


def run(folder, tell):
    for session in ("session-1", "session-2"):
        outbox, kept = open_outbox(folder, session), []
        for number in range(MESSAGES):
            record(outbox, tell, number, kept)
            if number % 3 == 2:
                sync(outbox, tell)
            if number % 8 == 7:
                free(outbox, tell, [e for e in outbox.waiting() if e.kind != "event"][:5])
        outbox.close()


def sync(outbox, tell):
    outbox.sync()
    for entry in outbox.ready():
        tell("published", *entry.place)


def free(outbox, tell, entries):
    entries = [e for e in entries if e.session == entries[0].session]
    tell("freed", entries[0].session, [e.seq for e in entries])
    bodies = bodies_digest(e.body_hash for e in entries)
    ranges = as_ranges(e.seq for e in entries)
    leaf = ReceiptLeaf("c", "mill-01", entries[0].session, ranges, bodies, 0)
    assert len(outbox.release(leaf)) == len(entries)


def resume(folder, tell, told, cut):
    outbox = check_opened(folder, told, cut)
    kept = []
    for entry in outbox.waiting():  # a fleet sends at once all that is there
        tell("published", *entry.place)
    for number in range(3):
        record(outbox, tell, number, kept)
    sync(outbox, tell)


def check(folder, told, cut):
    check_opened(folder, told, cut).close()


def check_opened(folder, told, cut):
    """Open it, and demand what was told: all of it, in order, in one chain."""
    order = [(session, seq) for what, session, seq, *_ in told if what == "recorded"]
    hashes = {(s, n): bytes.fromhex(h) for w, s, n, *rest in told if w == "recorded" for h in rest}
    published = {(session, seq) for what, session, seq, *_ in told if what == "published"}
    gone = {(s, n) for what, s, ns in (t for t in told if t[0] == "freed") for n in ns}
    outbox = open_outbox(folder, f"session-{len(told):06d}")
    waiting = list(outbox.waiting())
    places = [entry.place for entry in waiting]
    gone |= evicted(waiting)
    due = [p for p in order if p in published] if cut else order
    there = {*places, *gone}
    assert not [p for p in due if p not in there], "lost from the outbox"
    known = [p for p in places if p in hashes]
    assert known == [p for p in order if p in set(places)], "in another order"
    assert all(entry.body_hash == hashes[entry.place] for entry in waiting if entry.place in hashes)
    new = [entry for entry in waiting if entry.place not in hashes]
    assert places[len(places) - len(new) :] == [e.place for e in new], "made up"
    check_chain(outbox, waiting, order, hashes, new)
    return outbox


def evicted(waiting):
    found = set()
    for entry in waiting:
        if entry.kind == "event":
            for one in json.loads(entry.payload)["event"]["evicted"]:
                for first, last in one["ranges"]:
                    found |= {(one["session"], n) for n in range(first, last + 1)}
    return found


def check_chain(outbox, waiting, order, hashes, new):
    """Each `prev` is the hash of what was recorded before it; so is that of the next one."""
    chain = [hashes[place] for place in order] + [entry.body_hash for entry in new]
    before = dict(zip(chain[1:], chain, strict=False))
    for entry in waiting:
        assert parse(entry.payload, entry.kind).prev == before.get(entry.body_hash), "a gap"
    assert outbox.recorded <= len(chain)
    last = chain[outbox.recorded - 1] if outbox.recorded else None
    assert outbox.chain.prev == last, "the chain goes on from another message"
