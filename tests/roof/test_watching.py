"""`watch` as a person has it: on a terminal with a real broker, and beside a real ledger."""

import asyncio
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
import uuid

import pytest

from factoryledger.broker import free_port
from factoryledger.installation import installation
from factoryledger.watching import keys_at_hand, prover_at_hand
from telemetry.link import Link
from telemetry.recording import Reading
from watch.topics.node import Kept
from watch.topics.trust import Number, Refusal, number_of

WAIT = 60.0  # seconds, at most


class Terminal:
    """A program on a pseudo-terminal: what it wrote, and keys for it."""

    def __init__(self, *arguments, size=(24, 80)):
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            for name in ("COLUMNS", "LINES"):  # they would count more than the terminal's size
                os.environ.pop(name, None)
            os.environ["TERM"] = "xterm-256color"

            command = [sys.executable, "-m", "factoryledger", *map(str, arguments)]
            os.execv(command[0], command)
        self.resize(*size)
        self.before = termios.tcgetattr(self._fd)
        self.said = b""
        self._code = None

    def resize(self, rows, columns):
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def keys(self, text):
        os.write(self._fd, text.encode())

    def until(self, *texts):
        """Read until each of these was written since the last call; give what was written."""
        seen, end = b"", time.monotonic() + WAIT
        while not all(text.encode() in seen for text in texts):
            assert time.monotonic() < end, (texts, self.dump(seen))
            more = self._more(0.2)
            if more is None:
                raise AssertionError((texts, self.dump(seen)))
            seen += more
        return seen

    def dump(self, seen):
        return " ".join(plain(seen).split())[-3000:]

    def end(self):
        """Read to the end; the exit code."""
        while self._code is None and (more := self._more(WAIT)) is not None:
            assert more, "it does not end"
        self.after = termios.tcgetattr(self._fd) if self._code is None else None
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._code

    def close(self):
        if self._code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._fd)

    def _more(self, seconds):
        if not select.select([self._fd], [], [], seconds)[0]:
            return b""
        try:
            data = os.read(self._fd, 1 << 16)
        except OSError:
            return None
        self.said += data
        return data or None


def plain(data):
    """What was written, without the sequences that move and colour."""
    return re.sub(rb"\x1b\[[0-9;?<>=]*[a-zA-Z]", b"", data).decode(errors="replace")


@pytest.fixture
def terminal():
    started = []

    def start(*arguments, **options):
        started.append(Terminal(*arguments, **options))
        return started[-1]

    yield start
    for one in started:
        one.close()


def publish(broker, *messages):
    async def run():
        async with Link(broker.address, client_id=f"p-{uuid.uuid4().hex[:8]}") as us:
            for topic, payload in messages:
                await us.publish(topic, payload)

    asyncio.run(run())


@pytest.mark.e2e
@pytest.mark.parametrize("way", ["q", "\x03", signal.SIGTERM])
def test_on_a_terminal_topics_are_seen_and_the_terminal_is_left_as_it_was(
    way, broker, topic_prefix, terminal
):
    seen = terminal("watch", "--broker", broker.address, "--data", "none", f"{topic_prefix}/#")
    seen.until("0 topics")
    publish(broker, (f"{topic_prefix}/a/live", b"hello \x1b[31m[red]"), (f"{topic_prefix}/b", b"2"))
    seen.until("live", r"hello \x1b[31m[red]", "2 topics")
    seen.resize(40, 160)
    seen.until("count")
    if isinstance(way, str):
        seen.keys(way)
    else:
        os.kill(seen.pid, way)
    assert seen.end() == 0
    assert "watch: 2 messages of 2 topics" in seen.said.decode(errors="replace")
    assert "Traceback" not in seen.said.decode(errors="replace")
    # Out of the other screen, the cursor shown, no mouse reports, and the line as it was.
    left = seen.said[seen.said.rindex(b"\x1b[?1049l") - 200 :]
    assert all(code in left for code in (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l"))
    assert b"hello \x1b[31m" not in seen.said


@pytest.mark.e2e
def test_without_a_broker_the_terminal_is_not_touched(terminal):
    seen = terminal("watch", "--broker", f"mqtt://127.0.0.1:{free_port()}")
    assert seen.end() == 3
    said = seen.said.decode()
    assert said.startswith("factoryledger: no broker answers at mqtt://127.0.0.1:")
    assert "\x1b" not in said


@pytest.mark.e2e
def test_on_a_terminal_lines_are_there_when_asked_for(broker, topic_prefix, terminal):
    seen = terminal("watch", "--broker", broker.address, "--plain", f"{topic_prefix}/#")
    seen.until(": ready")
    publish(broker, (f"{topic_prefix}/t", b"\x1b1"))
    assert rf"{topic_prefix}/t 2 B unsigned \x1b1" in seen.until("unsigned").decode()
    seen.keys("\x03")
    assert seen.end() == 0
    assert b"\x1b" not in seen.said


@pytest.mark.e2e
def test_a_broker_that_goes_is_said_and_tried_again(tmp_path, terminal):
    from factoryledger.broker import LocalBroker

    port = free_port()
    with LocalBroker(port, tmp_path / "one", embedded=False) as broker:
        seen = terminal("watch", "--broker", broker.address, "--data", "none")
        seen.until("0 topics")
    seen.until("away", "tries again in")
    with LocalBroker(port, tmp_path / "two", embedded=False) as broker:
        seen.until("●")
        publish(broker, ("back", b"here"))
        seen.until("here")
        seen.keys("q")
        assert seen.end() == 0


def messages(ledger):
    """The recorded messages: topic and what is kept of them."""
    with ledger.recording.open("rb") as file:
        return [
            (line.topic, Kept(line.received, line.payload, len(line.payload)))
            for _, line in Reading(file, "r")
        ]


@pytest.mark.e2e
def test_a_message_is_proved_by_a_key(broker, ledger, command, topic_prefix, terminal):
    topic, kept = messages(ledger)[0]
    seen = terminal(
        "watch",
        "--broker",
        broker.address,
        "--data",
        ledger.path,
        f"{topic_prefix}/#",
        size=(50, 160),
    )
    seen.until("0 topics")
    publish(broker, (f"{topic_prefix}/{topic}", kept.payload))
    seen.until("1 topics", "verified")
    seen.keys("p")
    seen.until("Proved")
    seen.keys("q")
    assert seen.end() == 0
    number = number_of(topic, kept)
    path = ledger.path / "proofs" / f"{number.device}-{number.session}-{number.seq}.proof"
    assert command("verify", path, "--data", ledger.path).code == 0


def test_signatures_are_judged_by_the_ledgers_keys(ledger):
    with installation(data=ledger.path) as place:
        keys = keys_at_hand(place)
        assert keys.known == 4, "three machines, one collector"
        for topic, kept in messages(ledger):
            assert keys.status(f"any/prefix/{topic}", kept.payload, None) == "accepted"
        topic, kept = messages(ledger)[0]
        forged = kept.payload.replace(b'"seq":', b'"seq":1')
        assert keys.status(topic, forged, None) == "bad-signature"
        assert keys.status(topic, b"x", None) == "unsigned"


def test_without_its_requests_the_keys_are_the_logs(ledger):
    for path in (ledger.path / "requests").iterdir():
        path.unlink()
    with installation(data=ledger.path) as place:
        keys = keys_at_hand(place)
        topic, kept = messages(ledger)[0]
        assert keys.status(topic, kept.payload, None) == "accepted"


def test_a_machine_that_the_log_names_later_is_known_then(ledger, command, tmp_path):
    log, later = ledger.path / "log", tmp_path / "later"
    log.rename(later)
    for path in (ledger.path / "requests").iterdir():
        path.unlink()
    moment = [0.0]
    with installation(data=ledger.path) as place:
        keys = keys_at_hand(place, lambda: moment[0])
        topic, kept = messages(ledger)[0]
        assert keys.status(topic, kept.payload, None) == "unknown-device"
        later.rename(log)
        moment[0] = 61.0
        assert keys.status(topic, kept.payload, None) == "accepted"


def test_a_key_that_is_revoked_meanwhile_counts_no_more(ledger, command):
    moments = iter([0.0, 0.1, 9.0, 9.0])
    with installation(data=ledger.path) as place:
        keys = keys_at_hand(place, lambda: next(moments))
        topic, kept = messages(ledger)[0]
        assert keys.status(topic, kept.payload, None) == "accepted"
        number = number_of(topic, kept)
        revoked = command("device", "revoke", number.device, "--data", ledger.path)
        assert revoked.code == 0, revoked.err
        assert keys.status(topic, kept.payload, None) == "revoked"


def test_a_strangers_folder_is_not_made(tmp_path):
    folder = tmp_path / "none"
    with installation(data=folder) as place:
        assert keys_at_hand(place) is None
        assert prover_at_hand(place) is None
    assert not folder.exists()


def test_a_proof_is_of_this_very_message_or_none(ledger, command, tmp_path):
    topic, kept = messages(ledger)[0]
    number = number_of(topic, kept)
    with installation(data=ledger.path) as place:
        prover = prover_at_hand(place)
        path = prover.prove(number, kept.payload)
        assert command("verify", path, "--data", ledger.path, "--json").code == 0
        with pytest.raises(Refusal, match="a forgery or a conflict"):
            prover.prove(number, kept.payload.replace(b'"seq":', b'"seq":1'))
        with pytest.raises(Refusal, match="not collected yet, or the broker is not this ledger's"):
            prover.prove(Number("mill-1", "nowhere", 1), kept.payload)


def test_what_is_not_anchored_yet_is_said(ledger, command, tmp_path):
    later = tmp_path / "later.jsonl"
    made = ["--machines", 3, "--duration", 5, "--seed", 7]
    assert command("simulate", *made, "--out", later, "--prefix", "again").code == 0
    lines = later.read_text().splitlines()
    first = json.loads(lines[1])
    payload = json.dumps(first["json"], separators=(",", ":")).encode()
    assert payload
    for path in (ledger.path / "log").rglob("checkpoint"):
        path.unlink()
    topic, kept = messages(ledger)[0]
    with installation(data=ledger.path) as place, pytest.raises(Refusal) as refused:
        prover_at_hand(place).prove(number_of(topic, kept), kept.payload)
    assert "Traceback" not in str(refused.value)
