"""Collectors with stores of their own under one anchor: what two of them took counts once."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from verify_logs import MemorySource
from verify_world import Machine, World, part_of, small_world, to_sqlite

from anchor.audit.whole import Audit, audit
from anchor.proving.prove import prove
from anchor.proving.verify import verify
from anchor.reading.log_reader import LogReader
from factoryledger.errors import WrongUsage
from factoryledger.stores import Stores


@dataclass
class Works:
    """A world whose collectors c0 and c1 have stores of their own."""

    world: World
    fleet: list[Machine]
    folder: Path
    order: tuple[str, str] = ("c0", "c1")
    stores: Stores | None = None

    def path(self, collector: str) -> Path:
        return self.folder / f"{collector}.db"

    def url(self, collector: str) -> str:
        return f"sqlite:///{self.path(collector)}"

    def write(self) -> None:
        for collector in self.order:
            to_sqlite(part_of(self.world.ledger, collector), self.path(collector)).close()

    def open(self) -> Stores:
        self.stores = Stores(lambda: [self.url(collector) for collector in self.order])
        return self.stores

    @property
    def log(self) -> LogReader:
        return LogReader(MemorySource(self.world.published), self.world.anchor.verifier)

    def audit(self) -> Audit:
        if not self.path("c0").exists():
            self.write()
        with self.open() as stores:
            return audit(ledger=stores, log=self.log, policy=self.world.policy)


@pytest.fixture(params=[("c0", "c1"), ("c1", "c0")], ids="-".join)
def works(request: pytest.FixtureRequest, tmp_path: Path) -> Works:
    world, fleet = small_world()
    world.apart = True
    world.add_collector("c1")
    return Works(world, fleet, tmp_path, request.param)


def share_out(works: Works, sent: list[tuple[str, bytes]], *, again: int = 0) -> None:
    """Every other message to each, as a shared subscription does; `again` go to both."""
    works.world.collect("c0", sent[::2])
    works.world.collect("c1", sent[1::2])
    if again:
        works.world.collect("c1", sent[: 2 * again : 2])


def test_a_machine_shared_out_is_whole_over_both_stores(works: Works) -> None:
    mill = works.fleet[0]
    share_out(works, [mill.message(works.world.time()) for _ in range(40)])
    works.world.anchor_now()
    found = works.audit()
    assert found.clean
    assert (found.counts.gaps, found.counts.breaks, found.counts.copies) == (0, 0, 0)
    assert found.counts.collectors == 2


def test_what_both_accepted_counts_once_and_is_no_finding(works: Works) -> None:
    mill = works.fleet[0]
    share_out(works, [mill.message(works.world.time()) for _ in range(40)], again=7)
    works.world.anchor_now()
    found = works.audit()
    assert found.clean, found.findings
    assert (found.counts.gaps, found.counts.breaks, found.counts.copies) == (0, 0, 7)


def test_another_body_under_one_number_in_another_store_is_a_fork(works: Works) -> None:
    mill = works.fleet[0]
    clone = replace(mill)
    works.world.collect("c0", [mill.message(works.world.time())])
    works.world.collect("c1", [clone.message(works.world.time(), other=1.0)])
    works.world.anchor_now()
    (finding,) = works.audit().findings
    assert (finding.kind, finding.device) == ("fork", mill.name)
    assert finding.blame == f"device {mill.name} key {mill.key.key_id}"


def test_another_body_with_another_prev_too_is_found(works: Works) -> None:
    mill = works.fleet[0]
    clone = replace(mill, prev=bytes(32))
    works.world.collect("c0", [mill.message(works.world.time())])
    works.world.collect("c1", [clone.message(works.world.time(), other=1.0)])
    works.world.anchor_now()
    (finding,) = works.audit().findings
    assert (finding.kind, finding.device) == ("duplicate", mill.name)


def test_a_clone_in_another_store_that_goes_on_from_one_message_is_a_fork(works: Works) -> None:
    mill = works.fleet[0]
    clone = replace(mill)
    works.world.collect("c0", [mill.message(works.world.time()) for _ in range(3)])
    clone.restart("s9")
    works.world.collect("c1", [clone.message(works.world.time())])
    works.world.anchor_now()
    assert [finding.kind for finding in works.audit().findings] == ["fork"]


def test_a_store_that_is_not_named_is_missed(works: Works) -> None:
    works.world.collect("c1", [works.fleet[0].message(works.world.time())])
    works.world.anchor_now()
    works.write()
    with Stores(lambda: [works.url("c0")]) as one:
        found = audit(ledger=one, log=works.log, policy=works.world.policy)
    assert {(f.kind, f.collector) for f in found.findings} == {("batch-missing", "c1")}


def test_a_row_changed_in_either_store_is_named(works: Works) -> None:
    mill = works.fleet[0]
    share_out(works, [mill.message(works.world.time()) for _ in range(40)], again=7)
    works.world.anchor_now()
    works.write()
    for collector in works.order:
        with closing(sqlite3.connect(works.path(collector))) as store, store:
            store.execute("update messages set received_at = received_at + 1 where position = 3")
    found = works.audit()
    assert {(f.collector, f.position) for f in found.findings} == {("c0", 3), ("c1", 3)}


def test_a_message_of_either_store_is_proved(works: Works) -> None:
    mill = works.fleet[0]
    share_out(works, [mill.message(works.world.time()) for _ in range(6)])
    works.world.anchor_now()
    works.write()
    with works.open() as stores:
        rows = [stores.find(mill.name, mill.session, seq) for seq in range(mill.seq)]
        assert {row.collector for row in rows if row is not None} == {"c0", "c1"}
        for row in rows:
            assert row is not None
            policy = works.world.policy
            proof = prove(ledger=stores, log=works.log, policy=policy, row=row)
            assert verify(proof.to_bytes(), policy).seq == row.seq


def test_a_copied_store_is_refused_by_name(works: Works, tmp_path: Path) -> None:
    works.write()
    copy = tmp_path / "copy.db"
    copy.write_bytes(works.path("c0").read_bytes())
    with pytest.raises(WrongUsage, match=r"collector c0 is in .*c0.db and in .*copy.db"):
        Stores(lambda: [works.url("c0"), f"sqlite:///{copy}"])
