"""How the parts ran: they ended as they should, said no traceback, stayed small, came to rest."""

from math import inf

from torture_findings import Finding, of

MEMORY = 400  # MiB, of a process and its children
KILLED = -9
MISSING = 3  # something that it needs is not there
REFUSALS = {1, 2, MISSING}  # of a file that is not as it was
AFTERWARDS = 10.0  # s: a start takes so long, and who read a damaged file ends after it is mended
MAY_REFUSE = {
    "broken-outbox", "cut-tile", "bad-checkpoint", "broken-anchor-db", "broken-witness-db",
}  # fmt: skip


def check_running(events):
    yield from _ends(events)
    for event in of(events, "traceback"):
        yield Finding("traceback", f"{event['part']}: {_error(event['said'])}")
    for event in of(events, "memory"):
        if event["megabytes"] > MEMORY:
            yield Finding("memory", f"{event['part']} took {event['megabytes']} MiB")
    for event in of(events, "damage"):
        if not event["noticed"]:
            what = f"{event['kind']} of {event['file']} under {event['part']}"
            yield Finding("damage-unnoticed", what)
    for event in of(events, "broken"):
        yield Finding("broken", f"{event['kind']} of {event['target']}: {event['said']}")
    for event in of(events, "stuck"):
        yield Finding("stuck", event["what"])
    yield from _at_the_end(events)


def _error(said):
    """The line of a traceback that says what was raised: the first that is no frame's."""
    lines = [line for line in said.splitlines() if line and not line.startswith(" ")]
    return lines[0] if lines else said


def _ends(events):
    """A part may be killed, may miss something while it is struck, and refuse what is damaged."""
    calm, refusing, shaken, until = False, set(), set(), 0.0
    for event in events:
        if event["event"] == "calm":
            calm = True
        elif event["event"] in {"damaged", "mended"}:
            until = inf if event["event"] == "damaged" else event["at"] + AFTERWARDS
        elif event["event"] in {"strike", "healed"} and event["kind"] in MAY_REFUSE:
            change = refusing.add if event["event"] == "strike" else refusing.discard
            change(event["target"])
        elif event["event"] in {"strike", "healed"} and event["kind"] == "io-error":
            change = shaken.add if event["event"] == "strike" else shaken.discard
            change(event["target"])
        elif event["event"] == "ended" and event["part"] in shaken and event["code"] == KILLED:
            continue  # by the library, in the middle of a step
        elif event["event"] == "ended":
            refuses = event["part"] in refusing or event["at"] < until
            if not _as_it_should(event, calm, refuses):
                said = f"{event['part']} ended {event['how']} with {event['code']}: {event['said']}"
                yield Finding("unexpected-end", said)


def _as_it_should(event, calm, refuses):
    code = event["code"]
    if event["how"] == "killed" and code == KILLED:
        return True
    if event["how"] == "stopped" and code == 0:
        return True
    if refuses and code in REFUSALS:
        return True
    # Who is to be killed may have ended by itself a moment before.
    return event["how"] != "stopped" and code == MISSING and not calm


def _at_the_end(events):
    if not of(events, "quiet"):
        yield Finding("stuck", "the run never became quiet")
        return
    audits, stats = of(events, "audit"), of(events, "stats")
    if not audits or not stats:
        yield Finding("stuck", "nobody audited at the end")
    for event in audits:
        if event["code"] != 0:
            said = event["said"]
            found = said["findings"][:3] if isinstance(said, dict) else said
            yield Finding("audit", f"ended with {event['code']}: {found}")
    for event in stats:
        yield from _conserved(event["said"])


def _conserved(said):
    if not isinstance(said, dict):
        yield Finding("stats", f"no answer: {said}")
        return
    parts = ("stored", "duplicates", "refused", "in_flight")
    if said["received"] != sum(said[name] for name in parts):
        yield Finding("conservation", f"received {said['received']} is not {parts}")
    if said["anchored"] != said["stored"] or said["gaps"]:
        yield Finding("stats", f"anchored {said['anchored']} of {said['stored']}, {said['gaps']}")
