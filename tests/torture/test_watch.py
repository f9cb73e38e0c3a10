"""What a run is seen by: outboxes followed through their rewrites, ways that can be closed."""

import json
import socket
import time

import pytest
from torture_history import History, read_history
from torture_network import Network
from torture_watch import OutboxFollower

from simulator.outbox import Outbox
from telemetry.receipt import ReceiptLeaf, as_ranges, bodies_digest
from telemetry.signature import SigningKey
from telemetry.topic import MachineTopic

TOPIC = MachineTopic.parse("works/north/hall/line/m-1/telemetry")


def leaf(outbox, entries):
    return ReceiptLeaf(
        "c", outbox.device, outbox.session, as_ranges(e.seq for e in entries),
        bodies_digest(e.body_hash for e in entries), 0,
    )  # fmt: skip


def test_an_outbox_is_followed_through_compaction_restart_and_a_torn_tail(tmp_path):
    history = History(tmp_path / "h.jsonl")
    path = tmp_path / "m-1.outbox"
    follower, recorded, freed = OutboxFollower(path, history), [], 0
    for _ in range(3):
        with_room = {"compact_at": 2000}
        outbox = Outbox("m-1", SigningKey(bytes(32)), TOPIC, tmp_path, **with_room)
        for _ in range(4):
            entries = [outbox.record("telemetry", time=n, readings={"x": 1.0}) for n in range(1, 6)]
            recorded += [(e.session, e.seq, e.body_hash.hex()) for e in entries]
            if outbox.held < 9:
                follower.look()
            freed += len(outbox.release(leaf(outbox, entries)))
            outbox.sync()
            follower.look()
        outbox.close()
        with path.open("ab") as file:
            file.write(b"torn in the middle of a frame")
        follower.look()
    follower.close()
    history.close()
    events = read_history(tmp_path / "h.jsonl")
    seen = [(e["session"], e["seq"], e["body"]) for e in events if e["event"] == "recorded"]
    assert seen == recorded
    ranges = [r for e in events if e["event"] == "freed" for r in e["ranges"]]
    assert sum(last - first + 1 for first, last in ranges) == freed == len(recorded)


def test_a_history_is_read_as_it_was_written(tmp_path):
    history = History(tmp_path / "h.jsonl")
    history.put("one", root=b"\x01\xff", ranges=[(1, 2)])
    history.close()
    (event,) = read_history(tmp_path / "h.jsonl")
    assert (event["event"], event["root"], event["ranges"]) == ("one", "01ff", [[1, 2]])
    assert json.dumps(event)


@pytest.fixture
def way():
    """A way to an echo of one's own: the network, and a connection through it."""
    with socket.create_server(("127.0.0.1", 0)) as server, Network() as network:
        port = network.lay("way", server.getsockname()[1])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            served, _ = server.accept()
            with served:
                served.settimeout(10)
                yield network, client, served


def has_ended(client):
    try:
        return client.recv(100) == b""
    except ConnectionError:
        return True


def test_a_way_passes_holds_and_cuts(way):
    network, client, served = way
    client.sendall(b"one")
    assert served.recv(100) == b"one"
    network["way"].held = True
    client.sendall(b"two")
    served.settimeout(0.2)
    with pytest.raises(TimeoutError):
        served.recv(100)
    network.heal()
    served.settimeout(10)
    assert served.recv(100) == b"two"
    network.cut("way")
    assert has_ended(client)


def test_a_way_can_be_slow(way):
    network, client, served = way
    network["way"].delay = 0.2
    began = time.monotonic()
    client.sendall(b"one")
    assert served.recv(100) == b"one"
    assert time.monotonic() - began > 0.15
