"""The long run: scripts from one seed on, until the time is over; `make interleave`.

Prints interleavings a minute, what happened how often, and what of interest never did; writes
build/interleaving.json. A failure is shortened and printed; its seed repeats it.
"""

import argparse
import itertools
import json
import logging
import multiprocessing
import sys
import time
from collections import Counter, deque
from contextlib import nullcontext
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import structlog
from interleaving.reach import Reach
from interleaving.sabotage import BREAKAGES
from interleaving.script import Script

# What a run that is worth something has reached, and what it is that was reached.
OF_INTEREST = {
    "acknowledged too late: connection gone": "acknowledgements of an old connection, passed over",
    "redelivery recognised": "sent again by the broker, known as the same",
    "redelivery taken as new": "sent again with DUP, in doubt",
    "sent again": "resent by a courier: no receipt came",
    "came to nobody": "a PUBACK that is no delivery",
    "receipt sent once more": "a receipt for what was freed already",
    "receipt frees nothing: again": "a receipt that comes twice",
    "receipt frees nothing: it lies": "good signature, other bytes: nothing is let go",
    "receipt for what was evicted": "a receipt for an evicted message",
    "receipt distrusted": "a receipt by a key that nobody certified",
    "evicted": "messages for which the outbox had no room",
    "unsynced bytes lost, or torn": "a power cut took what was not synced",
    "torn tail dropped": "an outbox file cut back at its last whole frame",
    "outbox file rewritten": "an outbox file compacted",
    "unique index of claims": "two collectors, one number: judged again",
    "unique index of batches": "the same batch put twice",
    "commit failed, but did persist": "an outcome that has to be read back",
    "commit failed, and did not persist": "the same bytes again",
    "commit not read back": "and even that fails",
    "ended: CommitFailed": "a collector that gives up",
    "killed while committing": "a collector killed inside of a commit",
    "killed while syncing": "a fleet killed inside of fsync",
    "reading paused": "an intake that is full",
    "dropped by a full queue": "the broker's queue overflows",
    "session expired": "the broker gives up who is away",
    "sessions lost": "a collector told so",
    "taken over": "an old connection still open at the broker",
    "trouble: no answer to PINGREQ": "a half-open connection found by silence",
    "trouble: does another client call itself": "brief connections: a twin is suspected",
    "ended well": "a collector stopped in order",
    "stored bad-signature": "a forged message kept as evidence",
    "stored unsigned": "a foreign message",
    "stored unknown-device": "a machine that nobody enrolled",
    "stored malformed": "signed, and no message",
    "refused": "over a limit",
    "stored conflict": "a clone's message under a number that is taken",
    "disk full": "an outbox without room, in the middle of a write",
    "fsync failed": "an outbox whose disk says no",
    "ended: OutboxUnwritable": "a fleet that ends over it",
    "connection refused by the broker": "CONNACK says no",
    "publication refused by the broker": "PUBACK says no",
    "displaced by a twin": "a session that is taken over",
    "bytes that are no packet": "a broker that breaks the protocol",
    "new collector id": "collectors begun",
}  # fmt: skip


SHARE = 20  # interleavings that a process plays before it says what came of them


def main():
    """Run; exit code 1 where an invariant was violated."""
    asked = _arguments()
    _quiet()
    events, failures, began = Counter(), [], time.monotonic()
    said = began
    for found, failed in _played(asked, began):
        events.update(found)
        failures += failed
        for one in failed:
            print(f"\nseed {one['seed']}: {one['error']}")
            print(f"{one['acts']} acts, of which these are enough:")
            print("\n".join(one["script"]), flush=True)
        if len(failures) >= asked.failures:
            break
        if time.monotonic() - said > 30:
            said = time.monotonic()
            _write(asked, events, failures, said - began)
    seconds = time.monotonic() - began
    reached = _trace(asked.seed, asked.lines)
    _write(asked, events, failures, seconds, reached)
    _print(events, failures, seconds)
    for name, (some, every, missing) in reached.items():
        print(f"  {some:5} of {every:5} lines of {name}; never: {missing}")
    return 1 if failures else 0


def _played(asked, began):
    """What came of each share of the seeds, as long as there is time; in order of the seeds."""

    def shares():
        most = asked.runs or sys.maxsize
        for first in range(0, most, SHARE):
            if time.monotonic() - began >= asked.seconds:
                return
            yield range(asked.seed + first, asked.seed + min(first + SHARE, most)), asked.broken

    if asked.jobs == 1:
        yield from map(_play, shares())
        return
    with multiprocessing.get_context("spawn").Pool(asked.jobs, _quiet) as pool:
        asking = shares()
        waiting = deque(
            pool.apply_async(_play, (one,)) for one in itertools.islice(asking, 2 * asked.jobs)
        )
        while waiting:
            yield waiting.popleft().get()
            waiting.extend(pool.apply_async(_play, (one,)) for one in itertools.islice(asking, 1))


def _play(share):
    """Play these seeds; what happened, and each failure with its shortened script."""
    seeds, broken = share
    events, failures, began = Counter(), [], time.process_time()
    with BREAKAGES[broken]() if broken else nullcontext():
        for seed in seeds:
            script = Script.draw(seed)
            try:
                script.play(events)
            except Exception as error:  # noqa: BLE001 - it is what we look for
                failures.append(_failed(script, error))
            events["interleavings"] += 1
    events["seconds of CPU"] += time.process_time() - began
    return events, failures


def _quiet():
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.WARNING)


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=0, help="end after so many")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--lines", type=int, default=0, help="trace so many more: lines reached")
    parser.add_argument("--failures", type=int, default=3, help="end after so many failures")
    parser.add_argument("--broken", choices=sorted(BREAKAGES), help="break the product first")
    parser.add_argument("--output", type=Path, default=Path("build/interleaving.json"))
    return parser.parse_args()


def _trace(seed, count):
    """Play so many with every line of the protocol's modules looked at."""
    if not count:
        return {}
    with Reach() as reach:
        for number in range(seed, seed + count):
            Script.draw(number).play()
    return reach.table()


def _failed(script, error):
    return {
        "seed": script.seed,
        "error": f"{type(error).__name__}: {error}",
        "acts": len(script.acts),
        "script": script.shortened().told().split("\n"),
    }


def _write(asked, events, failures, seconds, reached=None):
    asked.output.parent.mkdir(parents=True, exist_ok=True)
    runs = events["interleavings"]
    found = {
        "seed": asked.seed, "seconds": round(seconds, 1), "interleavings": runs,
        "interleavings_a_minute": round(60 * runs / seconds),
        "interleavings_a_minute_of_cpu": round(60 * runs / events["seconds of CPU"]),
        "failures": failures,
        "of_interest": {name: events[name] for name in OF_INTEREST},
        "events": dict(sorted(events.items())),
        "lines": reached or {},
    }  # fmt: skip
    asked.output.write_text(json.dumps(found, indent=1) + "\n")


def _print(events, failures, seconds):
    runs = events["interleavings"]
    a_minute, of_cpu = 60 * runs / seconds, 60 * runs / events["seconds of CPU"]
    print(f"{runs} interleavings in {seconds:.0f} s: {a_minute:.0f} a minute, {of_cpu:.0f} of CPU")
    for kind, starts in (("done to it", "did "), ("processes", "started "), ("", "messages ")):
        for name in sorted(n for n in events if n.startswith(starts)):
            print(f"  {events[name]:10,}  {kind and kind + ': '}{name.removeprefix('did ')}")
    print("of interest")
    for name, words in OF_INTEREST.items():
        print(f"  {events[name]:10,}  {words}" + ("" if events[name] else "  <-- never"))
    print(f"violations: {len(failures)}")


if __name__ == "__main__":
    sys.exit(main())
