"""Keys revoked and rotated under a line of real processes: what counts, from where on."""

import asyncio
import io
import json
import sqlite3
import sys
import time
from contextlib import closing, redirect_stdout
from pathlib import Path

import pytest
from survival_line import until

sys.path.insert(0, str(Path(__file__).parents[1] / "anchor_verify"))

from verify_world import Machine

from anchor.errors import Missing
from anchor.key_entry import OperatorAuthority
from anchor.note import Note
from anchor.reading.log_index import LogIndex
from anchor.reading.log_reader import FolderSource, LogReader
from factoryledger.broker import free_port
from factoryledger.cli import run
from factoryledger.data_dir import DataDir
from factoryledger.enrolment import Enrolments
from factoryledger.witness_choice import parse_witness
from telemetry.link import Link

pytestmark = pytest.mark.e2e

SOME = 5


def machine_of(line, name):
    """A machine whose key is enrolled here, and that signs what it is told to."""
    return Machine(name, Enrolments(DataDir(line.data)).ensure_device(name))


class Wire:
    """A machine's way to the broker."""

    def __init__(self, line, machine):
        self.line, self.machine = line, machine
        self.sent = 0

    def send(self, count=SOME):
        """Publish and wait until all is stored; gives the messages' numbers."""
        first = self.machine.seq
        messages = [self.machine.message(time.time_ns() // 1000) for _ in range(count)]

        async def main():
            async with Link(self.line.broker.address, client_id="", clean_start=True) as link:
                for topic, payload in messages:
                    await link.post(topic, payload)

        asyncio.run(main())
        self.sent += count
        query = "select count(*) from messages"
        until(lambda: self.line.query(query) == [(self.sent,)], "all is stored")
        return range(first, self.machine.seq)


def command(line, *arguments):
    """Run a command in this process, which is quicker; gives its code and what it says."""
    said = io.StringIO()
    with redirect_stdout(said):
        code = run([str(word) for word in (*arguments, "--data", line.data)])
    return int(code), said.getvalue()


def good(line, *arguments):
    """Run a command that has to succeed; gives what it says."""
    code, said = command(line, *arguments)
    assert code == 0, said
    return said


def findings(line):
    code, said = command(line, "audit", "--json", "--processes", 0)
    assert code in {0, 1}, said
    return json.loads(said)["findings"]


def statuses(line):
    rows = line.query("select payload, status, position from messages order by position")
    return [(json.loads(payload)["seq"], status, place) for payload, status, place in rows]


def statements(line):
    """The log's key entries by index, and for each position the index of what anchors it."""
    data = DataDir(line.data)
    log = LogReader(FolderSource(data.log), data.policy().log, former=data.policy().former)
    authority = OperatorAuthority(data.operator.verifier)
    index = LogIndex.scan(log.view)
    entries = {place: authority.read(log.entry(place)) for place in index.keys.values()}
    [collector] = index.checkpoints
    return entries, collector, lambda place: index.containing(collector, place).index


def test_a_machine_s_messages_are_revoked_from_the_named_entry_on(lay, tmp_path):
    """Right before the word and right after it, under a collector and an anchor that run."""
    line = lay()
    wire = Wire(line, machine_of(line, "mill-01"))
    line.collector("", "--topic", "acme/#").start()
    anchor = line.anchor()
    anchor.start()
    before = wire.send()
    good(line, "device", "revoke", "mill-01")
    after = wire.send()
    log = line.data / "log"

    def anchored():
        return json.loads(good(line, "stats", "--json"))["anchored"] == 2 * SOME

    until(anchored, "all is anchored")
    anchor.stop()

    said = statuses(line)
    assert [(seq, status) for seq, status, _ in said] == [
        *((seq, "accepted") for seq in before),
        *((seq, "revoked") for seq in after),
    ]
    [row] = json.loads(good(line, "device", "list", "--json"))["keys"]
    entries, collector, index_of = statements(line)
    boundary = row["ended_index"]
    assert entries[boundary].action == "revoke"
    for _, status, place in said:
        assert (index_of(place) > boundary) == (status == "revoked")
        assert index_of(place) > row["enrolled_index"]
    assert findings(line) == []

    for place, word in (
        (SOME - 1, "signed this message with its enrolled key"),
        (SOME, "had ended that key"),
    ):
        file = tmp_path / f"{place}.proof"
        good(line, "prove", "--message", f"{collector}:{place}", "-o", file)
        assert word in good(line, "verify", file)
    # The entry that the revoked message's record names is the one of the list.
    [(entry,)] = line.query(f"select entry from messages where position = {SOME}")
    assert LogIndex.scan(_view(line, log)).keys[bytes(entry)] in {boundary, row["enrolled_index"]}

    for change, place in (("revoked", SOME - 1), ("accepted", SOME)):
        with closing(sqlite3.connect(line.data / "ledger.db")) as store:
            old = store.execute("select status from messages where position = ?", (place,))
            was = old.fetchone()[0]
            store.execute("update messages set status = ? where position = ?", (change, place))
            store.commit()
            found = findings(line)
            assert ("altered", place) in {(f["kind"], f["position"]) for f in found}
            store.execute("update messages set status = ? where position = ?", (was, place))
            store.commit()
    assert findings(line) == []


def _view(line, log):
    policy = DataDir(line.data).policy()
    return LogReader(FolderSource(log), policy.log, former=policy.former).view


def test_a_collector_s_batches_count_up_to_its_revocation_and_no_further(lay, tmp_path):
    """While it runs on with the key, as a thief would: what comes after is in no log."""
    line = lay()
    wire = Wire(line, machine_of(line, "mill-01"))
    collector = line.collector("", "--topic", "acme/#")
    collector.start()
    wire.send()
    good(line, "anchor", "--once")
    [(name,)] = line.query("select id from collectors")
    wire.send()  # before the word, and not anchored before it: the log still takes it first
    good(line, "keys", "revoke", "collector", name)
    good(line, "anchor", "--once")
    [key] = json.loads(good(line, "keys", "list", "--json"))["logged"]
    boundary = key["ended_index"]
    assert (key["name"], key["ended_by"]) == (name, "revoke")
    assert findings(line) == []

    wire.send()
    refused = line.run("anchor", "--once", "--data", line.data)
    assert f"the key of collector {name} is revoked" in refused.stderr
    entries, _, index_of = statements(line)
    assert entries[boundary].action == "revoke"
    assert [index_of(place) < boundary for place in range(2 * SOME)] == [True] * 2 * SOME
    with pytest.raises(Missing):
        index_of(2 * SOME)
    origin = DataDir(line.data).origin
    found = findings(line)
    assert {(f["kind"], f["blame"]) for f in found} == {
        ("key-invalid", f"{origin}/collector/{name}")
    }
    assert all(f"entry {boundary} of the anchor log revoked" in f["detail"] for f in found)
    for place in (0, 2 * SOME - 1):
        file = tmp_path / f"{place}.proof"
        good(line, "prove", "--message", f"{name}:{place}", "-o", file)
        good(line, "verify", file)
    collector.stop()
    again = line.run("collect", "--data", line.data, "--broker", line.address)
    assert (again.returncode, "is revoked" in again.stderr) == (2, True)


class Turning:
    """A line with collector, anchor and one witness, whose keys are rotated one after the other."""

    def __init__(self, line, folder):
        self.line, self.folder, self.proofs = line, folder, []
        port = free_port()
        DataDir(line.data).set_witnesses([parse_witness(f"near http://127.0.0.1:{port}")])
        self.wire = Wire(line, machine_of(line, "mill-01"))
        at = ["--data", line.data, "--name", "near", "--port", port]
        self.witness = line.program("witness", "witness", *at)
        self.collector, self.anchor = line.collector("", "--topic", "acme/#"), line.anchor()
        for part in (self.witness, self.collector, self.anchor):
            part.start()

    def prove(self):
        """A message comes and is cosigned; its proof holds now, and so does every one before."""
        self.wire.send()
        due = self.wire.sent

        def anchored():
            return json.loads(good(self.line, "stats", "--json"))["anchored"] == due

        until(anchored, "it is anchored")
        [(name,)] = self.line.query("select id from collectors")
        file = self.folder / f"{due}.proof"
        good(self.line, "prove", "--message", f"{name}:{due - 1}", "-o", file)
        self.proofs.append(file)
        for each in self.proofs:
            said = json.loads(good(self.line, "verify", each, "--json"))
            assert (said["status"], said["verified"]) == ("accepted", True)
        return said

    def restart(self, *parts):
        for part in parts:
            part.stop()
            part.start()

    def signer(self):
        note = Note.from_bytes((self.line.data / "log/checkpoint").read_bytes())
        return note.signatures[0].id

    def rotate_collector(self):
        pid = self.collector.pid
        good(self.line, "keys", "rotate", "collector")
        self.prove()  # it goes on with the key before, which counts until it signs with the next
        assert self.collector.pid == pid
        self.restart(self.collector)
        self.prove()

    def rotate_log(self):
        before = self.signer()
        refused = self.line.run("keys", "rotate", "log", "--data", self.line.data)
        assert refused.returncode == 3  # the anchor runs
        self.anchor.stop()
        good(self.line, "keys", "rotate", "log")
        self.wire.send()  # the collector goes on meanwhile
        self.restart(self.witness)  # it needs the new policy
        self.anchor.start()
        self.prove()
        assert self.signer() != before

    def rotate_witness(self):
        good(self.line, "keys", "rotate", "witness", "near")
        self.prove()  # witness and anchor go on with the policy that they began with
        self.restart(self.witness, self.anchor)
        assert len(self.prove()["witnesses"]) == 2
        good(self.line, "keys", "rotate", "witness", "near", "--finish")
        self.restart(self.witness, self.anchor)
        # What the key before cosigned alone holds no more: that is what --finish is for.
        before, self.proofs = self.proofs[0], []
        self.prove()
        assert command(self.line, "verify", before)[0] == 1


@pytest.mark.long
def test_a_line_goes_on_over_the_rotation_of_every_key(lay, tmp_path):
    """Collector, log and witness: messages before and after each are proved and verified."""
    turning = Turning(line := lay(), tmp_path)
    turning.prove()
    turning.rotate_collector()
    collector = turning.collector.pid
    turning.rotate_log()
    turning.rotate_witness()
    assert (turning.collector.running, turning.collector.pid) == (True, collector)
    for part in (turning.anchor, turning.witness, turning.collector):
        part.stop()
    assert findings(line) == []
    assert [status for _, status, _ in statuses(line)] == ["accepted"] * turning.wire.sent
    listed = json.loads(good(line, "keys", "list", "--json"))["logged"]
    assert [(one["kind"], one["ended_by"]) for one in listed] == [
        ("collector", "rotate"),
        ("collector", None),
        ("log", None),
    ]
