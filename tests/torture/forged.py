"""A small history in which every promise was kept, to be forged in one place by a test."""

from hashlib import sha256

from torture_tree import roots_at

DEVICE, COLLECTOR, ORIGIN = "fleet-1-0", "c1", "works"
LATE = 1000.0  # s: long after all of it
SESSIONS = (("s1", 3), ("s2", 2))


def digest(text):
    return sha256(text.encode()).hexdigest()


def good():
    """The events of a good run: five messages of two sessions, two batches, two heads."""
    recorded = messages()
    rows = [row(place, message) for place, message in enumerate(recorded)]
    leaves = [bytes.fromhex(one["leaf"]) for one in rows]
    roots = {size: root.hex() for size, root in roots_at(leaves, (2, 5)).items()}
    batches = [
        event("batch", store="a", collector=COLLECTOR, number=n, start=start, size=size - start,
              root=roots[size])
        for n, (start, size) in enumerate([(0, 2), (2, 5)])
    ]  # fmt: skip
    entries = [event("entry", index=0, leaf=digest("keys"))]
    for index, size in enumerate((2, 5), 1):
        head = {"collector": COLLECTOR, "size": size, "root": roots[size]}
        entries.append(event("entry", index=index, leaf=digest(f"head {size}"), **head))
    heads = roots_at([bytes.fromhex(one["leaf"]) for one in entries], (2, 3))
    checkpoints = [
        event("checkpoint", where=where, origin=ORIGIN, size=size, root=heads[size].hex(),
              published=where != "witness-1")
        for where in ("log", "topic", "witness-1")
        for size in (2, 3)
    ]  # fmt: skip
    events = [
        event("plan", seed=1),
        event("started", part="collect-1", pid=7),
        *recorded,
        *checkpoints,
        receipt(recorded[:3]),
        event("freed", device=DEVICE, session="s1", ranges=[[0, 2]], evicted=False),
        event("strike", kind="kill", target="collect-1", amount=0.0),
        event("ended", part="collect-1", pid=7, code=-9, how="killed", said=""),
        event("healed", kind="kill", target="collect-1", took=1.0),
        event("ended", part="anchor", pid=8, code=3, how="by itself", said="no broker"),
        event("damaged", file="checkpoint"),
        event("unreadable", what="checkpoint", where="log", detail="cut short"),
        event("mended", file="checkpoint"),
        event("damage", kind="bad-checkpoint", part="anchor", noticed=True, file="checkpoint"),
        event("calm", seconds=60.0),
        event("tally", part="fleet-1", said={"recorded": 5, "held": 0, "evicted": 0}),
        event("ended", part="collect-1", pid=9, code=0, how="stopped", said=""),
        event("quiet"),
        event("memory", part="collect-1", megabytes=90.0),
        *rows,
        *batches,
        *entries,
        event("audit", code=0, said={"findings": []}),
        event("stats", code=0, said=stats()),
    ]
    return [{**one, "at": float(at)} for at, one in enumerate(events)]


def event(name, **members):
    return {"event": name, "at": LATE, **members}


def messages():
    """Recorded, each with the hash of the one before."""
    prev, found = None, []
    for session, count in SESSIONS:
        for seq in range(count):
            body = digest(f"{session} {seq}")
            found.append(
                event("recorded", device=DEVICE, session=session, seq=seq, body=body, prev=prev)
            )
            prev = body
    return found


def row(position, message):
    same = {name: message[name] for name in ("device", "session", "seq", "body", "prev")}
    return event(
        "row", store="a", collector=COLLECTOR, position=position, status="accepted",
        kind="telemetry", leaf=digest(f"leaf {position}"), **same,
    )  # fmt: skip


def receipt(covered):
    bodies = b"".join(bytes.fromhex(one["body"]) for one in covered)
    seqs = [one["seq"] for one in covered]
    return event(
        "receipt", collector=COLLECTOR, device=DEVICE, session=covered[0]["session"],
        ranges=[[min(seqs), max(seqs)]], bodies=sha256(bodies).hexdigest(),
    )  # fmt: skip


def stats():
    return {
        "received": 6, "stored": 5, "duplicates": 1, "refused": 0, "in_flight": 0, "anchored": 5,
        "gaps": [],
    }  # fmt: skip
