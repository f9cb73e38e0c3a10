"""How far each collector's log is anchored: by the anchor's database, else by the log itself.

Beside an anchor its database says it at once. A part that runs apart (the page, a collector in
a container of its own) has the log's folder alone, and that is read from its end.
"""

from collections.abc import Iterable

from anchor.errors import Missing
from anchor.keeping.anchor_db import read_state
from factoryledger.installation import Installation


def anchored_records(place: Installation) -> dict[str, int]:
    """How many of the store's records of each collector a published checkpoint covers.

    Missing where no anchor has run; WrongUsage where only the log is here, and no policy.
    """
    try:
        batches = read_state(place.data.anchor_db).anchored
    except Missing:
        if not place.has_log:
            raise
        sizes = sizes_in_log(place, [row.id for row in place.ledger.collectors()])
        return {collector: _held(place, collector, size) for collector, size in sizes.items()}
    return {collector: _end(place, collector, number) for collector, number in batches.items()}


def anchored_of(place: Installation, collector: str) -> int:
    """The same of one collector; 0 where nothing of it is anchored."""
    try:
        batches = read_state(place.data.anchor_db).anchored.get(collector, 0)
    except Missing:
        if not place.has_log:
            raise
        return sizes_in_log(place, [collector])[collector]
    return _end(place, collector, batches)


def sizes_in_log(place: Installation, collectors: Iterable[str]) -> dict[str, int]:
    """The size in the newest checkpoint of each of these in the anchor log; 0 without one.

    Read from the log's end until each is found: every hash is checked on the way.
    """
    sizes = dict.fromkeys(collectors, 0)
    wanted = {f"{place.policy.log.name}/collector/{one}".encode(): one for one in sizes}
    log = place.log_reader
    index = log.view.size if wanted else 0
    while index and wanted:
        index -= 1
        origin, *rest = log.entry(index).split(b"\n", 2)
        collector = wanted.pop(origin, None)
        if collector is not None and rest and rest[0].isdigit():
            sizes[collector] = int(rest[0])
    return sizes


def _end(place: Installation, collector: str, batches: int) -> int:
    """How many of the store's records a collector's first so many batches have."""
    if not batches:
        return 0
    last = next(iter(place.ledger.batches(collector, batches - 1)), None)
    return last.start + last.size if last else _all(place, collector)


def _held(place: Installation, collector: str, size: int) -> int:
    """How many of a log's first `size` records the store holds."""
    there = size and next(iter(place.ledger.messages(collector, size - 1, size)), None)
    return size if there else min(size, _all(place, collector))


def _all(place: Installation, collector: str) -> int:
    """What a store has whose log knows more: it is an older copy that was put back."""
    last = max(place.ledger.batches(collector), key=lambda one: one.number, default=None)
    return last.start + last.size if last else 0
