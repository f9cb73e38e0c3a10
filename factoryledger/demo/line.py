"""The demo's parts in their order, and the supervisor that keeps them running.

`demo.json` in the data folder says which process is what, so that a person (or a test) can
kill one and see what happens.
"""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from factoryledger.broker import LocalBroker, free_port
from factoryledger.demo.part import Part
from factoryledger.errors import NotThere
from factoryledger.files import write_whole
from telemetry.errors import BrokerUnavailable

WITNESS = "demo"
_POLL = 0.1
# How often a part is started again that dies before it is ready.
_STARTS = 3
# How often the factory is asked to end, if something kills it as it does.
_ENDINGS = 3


class Line:
    """Broker, witness, collector, anchor, simulated factory and web page of one demo."""

    def __init__(
        self, data: Path, *, machines: int, seed: int, witness_port: int, web_port: int
    ) -> None:
        self._data = data
        self._broker_restarts = 0
        self.folder = folder = data / "demo"
        folder.mkdir(exist_ok=True)
        self.broker = LocalBroker(free_port(), folder)
        at = ["--data", str(data), "--broker", str(self.broker.address)]
        port = str(witness_port)
        self.witness = Part(
            "witness", ["witness", "--data", str(data), "--name", WITNESS, "--port", port], folder
        )
        self.collector = Part("collect", ["collect", *at], folder)
        self.anchor = Part("anchor", ["anchor", "--every", "1", *at], folder)
        fleet = ["--machines", str(machines), "--seed", str(seed), "--outbox", str(data / "outbox")]
        self.factory = Part("simulate", ["simulate", *at, *fleet, "--json"], folder)
        self.page = f"http://127.0.0.1:{web_port}"
        self.web = Part("web", ["web", *at, "--port", str(web_port)], folder)
        self.parts = (self.witness, self.collector, self.anchor, self.factory, self.web)
        # Which of them are to run now; the others are not yet, or no longer, started again.
        self._kept: list[Part] = []

    def start(self) -> None:
        """Start everything, each once what it needs is ready."""
        self.broker.start()
        waves = ((self.witness, self.collector), (self.anchor, self.factory), (self.web,))
        for wave in waves:
            for part in wave:
                part.output.unlink(missing_ok=True)
                part.start()
            self._kept += wave
            self._write()
            for part in wave:
                self._await_ready(part)

    def tick(self) -> None:
        """Start again what has died."""
        revived = [part.revive() for part in self._kept]
        if not self.broker.running:
            try:
                self.broker.start()
            except BrokerUnavailable:
                # Its port is still taken, or it died again: the next tick tries again.
                return
            self._broker_restarts += 1
            self._write()
        elif any(revived):
            self._write()

    def finish(self, drain: float, anchored: Callable[[], bool]) -> int:
        """Stop in the order in which the data goes; give the simulator's exit code.

        The machines wait for their receipts, the collector commits what it has, the anchor
        goes on until `anchored` says that nothing is left; then page, witness and broker.
        """
        code = self._end_factory(drain + 15.0)
        self._end(self.collector)
        self._run_until(anchored, 30.0)
        self._end(self.anchor)
        self._end(self.web)
        self._end(self.witness)
        self.broker.stop()
        self._write()
        return code

    def kill(self) -> None:
        """End everything at once."""
        for part in self.parts:
            part.kill()
        self.broker.kill()
        self._write()

    @property
    def restarts(self) -> dict[str, int]:
        """How often each part was started again."""
        counted = {part.name: part.restarts for part in self.parts}
        return {"broker": self._broker_restarts, **counted}

    def _end(self, part: Part) -> None:
        # If it died just now, it is started once more, to do what it had not done yet.
        self._run_until(lambda: part.running and part.ready, 20.0)
        self._kept.remove(part)
        part.end(20.0)

    def _await_ready(self, part: Part) -> None:
        """Wait until a part is ready; one that dies before is started again a few times."""
        most = part.restarts + _STARTS
        self._run_until(lambda: part.ready or (not part.running and part.restarts >= most), 30.0)
        part.check_ready()

    def _end_factory(self, timeout: float) -> int:
        """Let the factory drain while everything else is kept running.

        If something kills it before it has said what became of its messages, it is started
        again, to drain what its outboxes still hold.
        """
        for _ in range(_ENDINGS):
            self._run_until(lambda: self.factory.running and self.factory.ready, 20.0)
            self._kept.remove(self.factory)
            self.factory.ask_to_stop()
            self._run_until(lambda: not self.factory.running, timeout)
            code = self.factory.end(1.0)
            if has_tally(self.factory):
                break
            self._kept.append(self.factory)
        return code

    def _run_until(self, done: Callable[[], bool], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not done() and time.monotonic() < deadline:
            self.tick()
            time.sleep(_POLL)

    def _write(self) -> None:
        """Say in demo.json what runs where."""
        pids = {part.name: part.pid for part in self.parts}
        pids["broker"] = self.broker.pid if self.broker.running else None
        about = {"broker": str(self.broker.address), "pids": pids, "restarts": self.restarts}
        write_whole(self._data / "demo.json", f"{json.dumps(about)}\n".encode())


def tally(factory: Part) -> dict[str, int]:
    """Read the simulator's last line; NotThere when it printed none."""
    lines: Sequence[str] = factory.output.read_text("utf-8").splitlines()
    for line in reversed(lines):
        if line.startswith("{"):
            counts: dict[str, int] = json.loads(line)
            return counts
    raise NotThere(f"the simulator printed no tally: {factory.last_words()} (see {factory.log})")


def has_tally(factory: Part) -> bool:
    """Whether the simulator has said what became of its messages."""
    return factory.output.exists() and b"{" in factory.output.read_bytes()
