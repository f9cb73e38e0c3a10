"""One run: the works started, struck, healed, waited for until quiet, stopped and read.

What is found out here is only written down; `torture_checker` says what it means.
"""

import time

from check_foreign import owed
from torture_aftermath import entries, said, stores, write_down
from torture_history import read_history
from torture_nemesis import Nemesis
from torture_plan import FLEETS
from torture_stranger import TOPIC, Stranger
from torture_watch import Watch
from torture_works import Works

TICK = 0.02  # s
START = 300.0  # s: until everything is ready for the first time
QUIET = 600.0  # s: until everything has come through; a busy machine needs longer


REST = 60.0  # s without a message more, and what is owed is taken for lost
FOREIGN = f"select payload from messages where topic = '{TOPIC}'"


class StuckError(Exception):
    """It never came to that; the history says so as well."""


def run(plan, folder, history, enough=None):
    """Run a plan in a folder; the history is complete when this returns, whatever happens.

    Once the list `enough` holds anything, it begins no strike more and comes to its end.
    """
    history.put("plan", seed=plan.seed, database=plan.database, collectors=plan.collectors)
    with Works(plan, folder, history) as works:
        try:
            works.enough = [] if enough is None else enough
            port = works.network["stranger>broker"].port
            with Watch(works, history), Stranger(port, history) as stranger:
                _live(works, history, stranger)
            works.parts["broker"].stop()
            write_down(works, history)
        except StuckError as stuck:
            history.put("stuck", what=str(stuck))
        finally:
            for part in works.parts.values():
                part.thaw()
            works.kept = folder / "kept"
            _note_tracebacks(works, history)


def _live(works, history, stranger):
    works.start()
    parts = works.parts.values()
    _wait(works, lambda: all(part.ready for part in parts), START, "everything is ready")
    nemesis, began = Nemesis(works, history), time.monotonic()
    seconds = works.plan.seconds
    while not nemesis.done or (time.monotonic() - began < seconds and not works.enough):
        if works.enough:
            nemesis.rest()
        nemesis.tick(time.monotonic() - began)
        works.tend()
        time.sleep(TICK)
    history.put("calm", seconds=round(time.monotonic() - began, 1))
    _heal(works)
    _wait(works, lambda: all(part.ready for part in parts), QUIET, "everything is ready again")
    stranger.stop()
    _stop(works, FLEETS, "the machines have their receipts")
    for fleet in FLEETS:
        history.put("tally", part=fleet, said=works.last_words(fleet))
    _rest(works, history)
    _wait(works, lambda: _anchored(works), QUIET, "everything is anchored")
    for kind in ("collect", "anchor", "witness"):
        names = [name for name in works.parts if name.startswith(kind)]
        _stop(works, names, f"{kind} has ended")
    history.put("quiet")


def _heal(works):
    works.network.heal()
    for disk in works.disks.values():
        disk.free()
    works.settle_clocks()
    for part in works.parts.values():
        part.thaw()


def _stop(works, names, what):
    """Let parts end, while the others are tended."""
    for name in names:
        works.parts[name].stop()
    _wait(works, lambda: not any(works.parts[name].running for name in names), QUIET, what)
    works.tend()


def _wait(works, holds, seconds, what):
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            raise StuckError(f"it never came to that: {what}")
        works.tend()
        time.sleep(TICK)


def _rest(works, history):
    """Wait for what a client without an outbox is owed, as long as anything still comes."""
    owing = set(owed(read_history(history.path)))
    count, since = -1, time.monotonic()
    while time.monotonic() - since < REST:
        found = {int(bytes(one)) for _, query in stores(works) for (one,) in query(FOREIGN)}
        if owing <= found:
            return
        if len(found) != count:
            count, since = len(found), time.monotonic()
        works.tend()
        time.sleep(10 * TICK)


def _anchored(works):
    """Whether the published log holds every store's newest batch."""
    heads = {}
    for _, query in stores(works):
        found = query("select collector, max(start + size) from batches group by collector")
        heads |= dict(found)
    sizes = {}
    published = _published(works.data / "log")
    for index, entry in enumerate(entries(works.data / "log")):
        head = said(entry)
        if head and index < published:
            sizes[head["collector"]] = max(sizes.get(head["collector"], 0), head["size"])
    time.sleep(0.2)
    return bool(heads) and all(sizes.get(name, 0) >= size for name, size in heads.items())


def _published(log):
    try:
        return int((log / "checkpoint").read_text().split("\n")[1])
    except FileNotFoundError:
        return 0


def _note_tracebacks(works, history):
    for name, log in works.logs().items():
        text = log.read_text("utf-8", "replace")
        for piece in text.split("Traceback (most recent call last)")[1:]:
            history.put("traceback", part=name, said=piece[:2000])
