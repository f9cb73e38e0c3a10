"""A hostile MQTT client on a broker that is everybody's, while a factory runs on it.

Floods and forgeries are `roof/test_public_broker.py`'s, rights `broker/test_shipped_config.py`'s;
here are packets that no library sends. Of the honest nothing is lost, nobody is displaced, and
nothing that is not signed is accepted.
"""

import json
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from raw_mqtt import Raw, connect, packet, publish, subscribe

from factoryledger.broker import LocalBroker

MACHINES = 3
PLACE = "acme/north/hall/line-1/mill-99"
RECEIPT, CHECKPOINT, COLLECTOR = f"{PLACE}/receipt", "ledger/checkpoint", "ledger/collector/x"
POISON = b'{"leaf":"{\\"receipt\\":1}","index":18446744073709551616,"path":[],"root":"AAAA"}'


def odd_topics():
    yield from ("\x01", "\x1b[2J", "a\nb", "\u202eabc", "\ufeff", "/" * 3000, "a/" * 199, "$x/y")
    yield from (
        "é" * 30_000,
        "a b",
        " ",
        "\x7f",
        "\ud800",
        "+",
        "#",
        "a/#/b",
        b"\xff\xfe",
        "\0",
        "",
    )


def games():
    """Each a connection's bytes."""
    for topic in odd_topics():
        yield "a topic", [connect("odd"), publish(topic)]
    big = b"x" * 2_000_000
    yield "a giant packet", [connect("big"), publish(f"{PLACE}/telemetry", big)]
    yield "beyond the limit", [connect("big2"), publish(f"{PLACE}/telemetry", big + big)]
    yield "a length of 256 MiB", [connect("len"), packet(0x32, b"\0\1a\0\1\0", 268_435_455)]
    yield "a length without end", [connect("l5"), b"\x30\xff\xff\xff\xff\xff"]
    for level in (3, 4):
        yield (
            "MQTT 3",
            [
                connect(f"old{level}", level=level),
                publish(f"{PLACE}/telemetry", b"{}", level=level),
            ],
        )
    yield "user properties", [connect("up"), publish("up", properties=b"\x26\0\1a\0\1b" * 15)]
    yield "an alias of nothing", [connect("al"), publish("", properties=b"\x23\0\x01")]
    yield "alias 0", [connect("a0"), publish("a0", properties=b"\x23\0\0")]
    yield "alias 65535", [connect("a6"), publish("a6", properties=b"\x23\xff\xff")]
    yield "expiry 0", [connect("e0"), publish("e0", properties=b"\x02\0\0\0\0")]
    yield "text that is none", [connect("pf"), publish("pf", b"\xff", properties=b"\x01\x01")]
    yield "an answer to a wildcard", [connect("rt"), publish("rt", properties=b"\x08\0\1#")]
    yield "QoS 2, never released", [connect("q2"), publish("q2", qos=2)]
    yield "QoS 3", [connect("q3"), publish("q3", qos=3)]
    yield "packets of the other side", [connect("os"), b"\x20\x03\0\0\0", b"\x90\x04\0\1\0\1"]
    yield "PUBACKs of nothing", [connect("pa"), *(b"\x40\x02\0" + bytes([n]) for n in range(99))]
    for pattern in ("#", "+/+", "$SYS/#", "$share/g/#", "$share//#", "$share/a+/#"):
        yield "listening", [connect("ear"), subscribe(pattern)]
    yield "a subscription's id of 0", [connect("si"), subscribe("#", properties=b"\x0b\x00")]
    for topic in (RECEIPT, CHECKPOINT, COLLECTOR):
        yield "a will", [connect("will", will=(topic, POISON, True)), b"\xff\xff\xff"]
        yield "poison", [connect("ret"), publish(topic, POISON, retain=True)]
        yield "poison, large", [connect("re2"), publish(topic, b"[" * 1_000_000, retain=True)]
        yield "poison, binary", [connect("re3"), publish(topic, bytes(range(256)), retain=True)]
    yield "two CONNECTs", [connect("cc"), connect("cc")]
    yield "no CONNECT", [publish("early")]
    yield "another protocol", [b"GET / HTTP/1.1\r\n\r\n"]


def attack(port, rounds=1):
    with ExitStack() as stack:
        for number in range(60):  # half a CONNECT, half a PUBLISH, and nobody who goes on
            slow = stack.enter_context(Raw(port))
            whole = connect(f"slow-{number}")
            slow.send(whole[: len(whole) // 2] if number % 2 else whole + publish("a/b")[:-3])
        for _ in range(rounds):
            for _, packets in games():
                with suppress(OSError), Raw(port) as raw:
                    raw.send(*packets).heard(0.02)
        for _ in range(300):  # come and gone
            with suppress(OSError), Raw(port):
                pass


def resident(pid):
    """Megabytes that a process has in memory."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmRSS"))


@pytest.mark.e2e
def test_whatever_packets_come_the_honest_lose_nothing(program, command, await_line, tmp_path):
    data = ["--data", tmp_path / "d"]
    with LocalBroker(0, tmp_path / "broker", embedded=False) as broker:
        line = ["--broker", broker.address, *data]
        collector = program("collect", *line, "--topic", "#")
        await_line(collector, "ready")
        anchor = program("anchor", *line)
        await_line(anchor, "ready")
        before = resident(collector.pid)
        machines = ["--machines", MACHINES, "--interval", 0.2, "--duration", 3, "--json"]
        simulator = program("simulate", *line, *machines, "--outbox", tmp_path / "outbox")
        await_line(simulator, "ready")
        harm = threading.Thread(target=attack, args=(broker.port,))
        harm.start()
        out, err = simulator.communicate(timeout=90)
        harm.join(60)
        assert simulator.returncode == 0, err
        assert broker.running
        assert resident(collector.pid) < before + 150
        for process in (collector, anchor):
            assert process.poll() is None
            process.terminate()
            assert process.wait(20) == 0
    tally = json.loads(out.splitlines()[-1])
    assert tally["receipted"] == tally["recorded"] > 5 * MACHINES
    assert tally["disconnects"] == 0
    counts = json.loads(command("stats", "--json", *data).out)
    assert counts["statuses"]["accepted"] == tally["recorded"]
    assert counts["statuses"]["unsigned"] > 5, "what the broker let through is evidence too"
    assert counts["received"] == counts["stored"] + counts["duplicates"] + counts["refused"]
    audited = command("audit", *data, "--processes", 0)
    assert audited.code == 0, audited.out
