"""Several stores read as one ledger: a collector each, one anchor over all of them.

A message that two collectors accepted, because its machine sent it again, is a row in both
stores and counts once (docs/decisions/several-collectors.md). Stores may come while this is
open: which there are is asked again each time the collectors are.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Self

from anchor.errors import Missing
from anchor.reading.row_record import named_message
from collector.errors import StoreUnavailable
from collector.joining import Part, joined
from collector.stats import Break, Refusal, Stats
from collector.store_reader import LedgerReader
from factoryledger.errors import WrongUsage
from telemetry.rows import BatchRow, CollectorRow, KeyRow, MessageRow


class Stores:
    """`anchor.ports.Several` over the stores of these URLs; each is opened once.

    StoreUnavailable where one of them is not there; `disguised` as `LedgerReader` has it.
    """

    def __init__(self, urls: Callable[[], Sequence[str]], *, disguised: bool = False) -> None:
        self.urls = urls
        self._disguised = disguised
        self._open: dict[str, LedgerReader] = {}
        self._holders: dict[str, str] = {}
        try:
            self.collectors()
        except BaseException:
            self.close()
            raise

    @property
    def stores(self) -> Sequence[LedgerReader]:
        """Each of them."""
        return [self.reader(url) for url in self.urls()]

    def holding(self, collector: str) -> LedgerReader:
        """The store that knows this collector; the first where none does."""
        if collector not in self._holders:
            self.collectors()
        url = self._holders.get(collector)
        return self.stores[0] if url is None else self.reader(url)

    def collectors(self) -> list[CollectorRow]:
        """Every collector of every store; WrongUsage where one is in two of them."""
        found = list[CollectorRow]()
        for url in self.urls():
            for row in self.reader(url).collectors():
                other = self._holders.setdefault(row.id, url)
                if other != url:
                    raise WrongUsage(
                        f"collector {row.id} is in {other} and in {url}: one is a copy of the "
                        "other; take it out of the data folder, or name the stores by --database"
                    )
                found.append(row)
        return found

    def batches(self, collector: str, first: int = 0) -> Iterator[BatchRow]:
        """A collector's batches from number `first`, in order."""
        return self.holding(collector).batches(collector, first)

    def key_entries(self, collector: str, first: int = 0) -> Iterator[KeyRow]:
        """What a collector applied, from number `first`, in order."""
        return self.holding(collector).key_entries(collector, first)

    def messages(
        self, collector: str, start: int = 0, stop: int | None = None
    ) -> Iterator[MessageRow]:
        """Rows by position, start inclusive, stop exclusive; streamed."""
        return self.holding(collector).messages(collector, start, stop)

    def tile(self, collector: str, level: int, number: int) -> bytes | None:
        """The stored tile's hashes, as stored."""
        return self.holding(collector).tile(collector, level, number)

    def find(self, device: str, session: str, seq: int) -> MessageRow | None:
        """A row that claimed this number, in the first store that has one; or None."""
        rows = (store.find(device, session, seq) for store in self.stores)
        return next((row for row in rows if row is not None), None)

    def between(self, device: str, start: int, stop: int) -> Iterator[MessageRow]:
        """A machine's accepted messages made in that time, store by store."""
        for store in self.stores:
            yield from store.between(device, start, stop)

    def disputed(self, start: int, stop: int, most: int) -> Iterator[MessageRow]:
        """Every machine's `conflict` and `revoked` messages of that time, so many of each store."""
        for store in self.stores:
            yield from store.disputed(start, stop, most)

    def claims(self) -> Iterator[tuple[str, str, int, str, int, bytes]]:
        """The claims of each store, store by store."""
        for store in self.stores:
            yield from store.claims()

    def strangers(self) -> Iterator[object]:
        """What `LedgerReader.strangers` gives of each store."""
        for store in self.stores:
            yield from store.strangers()

    def refusals(self) -> list[Refusal]:
        """What was refused, as far as it is kept, the newest first."""
        found = (one for store in self.stores for one in store.refusals())
        return sorted(found, key=lambda one: one.received, reverse=True)

    def stats(self, *, gaps: bool = True) -> Stats:
        """Count them together; without `gaps` quickly, and neither copies nor breaks are told."""
        stores = self.stores
        if not gaps:
            return joined([Part(store.stats(gaps=False), 0, {}) for store in stores])
        parts = [store.part() for store in stores]
        found = joined(parts)
        if len(stores) == 1:
            return found
        ends = _Ends(list(zip(stores, parts, strict=True)))
        open_ones = (one for one in found.breaks if one.kind != "start" or not ends.answer(one))
        return replace(found, breaks=tuple(open_ones))

    def close(self) -> None:
        """Close every store."""
        for reader in self._open.values():
            reader.close()
        self._open.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def reader(self, url: str) -> LedgerReader:
        """The store at this URL."""
        if url not in self._open:
            self._open[url] = LedgerReader(url, disguised=self._disguised)
        return self._open[url]


class _Ends:
    """The last messages of every session in every store: what another session may go on from."""

    def __init__(self, parts: Sequence[tuple[LedgerReader, Part]]) -> None:
        self._stores = [store for store, _ in parts]
        self._ends: dict[str, list[tuple[LedgerReader, str, int]]] = {}
        for store, part in parts:
            for (device, session), seq in part.highest.items():
                self._ends.setdefault(device, []).append((store, session, seq))

    def answer(self, start: Break) -> bool:
        """Whether a session that one store sees start from nowhere goes on from another's."""
        rows = (store.find(start.device, start.session, start.seq) for store in self._stores)
        row = next((row for row in rows if row is not None), None)
        message = None if row is None else named_message(row)
        if message is None or message.prev is None:
            return False
        return any(
            last is not None and last.body_hash == message.prev
            for store, session, seq in self._ends.get(start.device, ())
            if session != start.session
            for last in [store.find(start.device, session, seq)]
        )


def open_examined(urls: Sequence[str]) -> Stores:
    """These stores for an auditor: by name, so that another process can be told to open them."""
    return Stores(lambda: urls, disguised=True)


class Tailed:
    """Stores as the anchor follows them: one that cannot be read holds up no other.

    Missing instead of StoreUnavailable: the anchor knows no stores.
    """

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._known: dict[str, list[CollectorRow]] = {}

    def collectors(self) -> list[CollectorRow]:
        """Every collector of every store, as known last of one that cannot be read."""
        for url in self._stores.urls():
            # One that a collector is making right now has no tables yet.
            with suppress(StoreUnavailable):
                self._known[url] = self._stores.reader(url).collectors()
        return [row for rows in self._known.values() for row in rows]

    def batches(self, collector: str, first: int = 0) -> Iterator[BatchRow]:
        """A collector's batches from number `first`, in order."""
        with _told_as_missing():
            yield from self._holder(collector).batches(collector, first)

    def key_entries(self, collector: str, first: int = 0) -> Iterator[KeyRow]:
        """What a collector applied, from number `first`, in order."""
        with _told_as_missing():
            yield from self._holder(collector).key_entries(collector, first)

    def _holder(self, collector: str) -> LedgerReader:
        for url, rows in self._known.items():
            if any(row.id == collector for row in rows):
                return self._stores.reader(url)
        raise Missing(f"no store of collector {collector} was read yet")


@contextmanager
def _told_as_missing() -> Iterator[None]:
    try:
        yield
    except StoreUnavailable as error:
        raise Missing(str(error)) from error
