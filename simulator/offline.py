"""A recording of the fleet without a broker: simulated clock, everything from the seed.

The same machines, seed, duration and interval give the same bytes. Start time, sessions and
keys come from the seed too: whoever reads the seed can sign as these machines, so the
recording's origin says that its keys are for tests.
"""

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from simulator.chain import Chain, Entry
from simulator.fleet import Tally
from simulator.machine import Machine, RunningMachine, start_plant
from telemetry.recording import Header, Line, Writer
from telemetry.signature import SigningKey
from telemetry.topic import factory_filters

START: Final = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z, microseconds since the epoch


def test_key(seed: int, device: str) -> SigningKey:
    """The key of a device in a recording made from this seed: anyone can derive it."""
    return SigningKey.from_seed(_derived("key", seed, device))


test_key.__test__ = False  # type: ignore[attr-defined]  # for pytest: a key, not a test


def _session(seed: int, device: str) -> str:
    """The session of a device in a recording made from this seed."""
    return _derived("session", seed, device).hex()[:16]


def write_recording(  # noqa: PLR0913 - all keywords
    *,
    machines: Sequence[Machine],
    seed: int,
    duration: float,
    out: Path,
    interval: float = 1.0,
    begin: int = START,
    speed: float = math.inf,
    on_message: Callable[[int], None] | None = None,
) -> Tally:
    """Write `duration` simulated seconds from `begin` (µs) to the file `out`.

    All that was recorded counts as delivered: the recording has it. `speed` simulated
    seconds a second: whatever it is, the bytes are the same. `on_message` gets the running
    count. OSError from the disk, as it is.
    """
    header = Header(
        origin=f"simulated, test keys, seed {seed}",
        topics=tuple(factory_filters()),
        clock="simulated",
        started=begin,
    )
    count, times = 0, _times(begin, duration, interval, speed)
    with out.open("wb") as file:
        writer = Writer(file, header)
        for line in _lines(machines, seed, begin, times, interval):
            writer.write(line, sealed=True)
            count += 1
            if on_message is not None:
                on_message(count)
        writer.close()
    return Tally(recorded=count, delivered=count, receipted=0, held=0)


def _lines(
    machines: Sequence[Machine], seed: int, begin: int, times: Iterable[int], interval: float
) -> Iterator[Line]:
    recorders = [_Recorder(running, seed) for running in start_plant(machines, begin)]
    for recorder in recorders:
        yield from recorder.opening(begin)
    for now in times:
        for recorder in recorders:
            yield from recorder.beat(interval, now)


def _times(begin: int, duration: float, interval: float, speed: float) -> Iterator[int]:
    """The simulated time of each beat, in µs, each when it is due at this speed."""
    started, number = time.monotonic(), 0
    while number * interval < duration:
        due = started + number * interval / speed
        if (wait := due - time.monotonic()) > 0:
            time.sleep(wait)
        yield begin + round(number * interval * 1_000_000)
        number += 1


class _Recorder:
    """A running machine whose messages go straight into a recording."""

    def __init__(self, running: RunningMachine, seed: int) -> None:
        self._machine = machine = running.machine
        self.running = running
        key, session = test_key(seed, machine.name), _session(seed, machine.name)
        self._chain = Chain(key=key, topic=machine.topic, session=session, prev=None)

    def opening(self, now: int) -> Iterator[Line]:
        birth = self._machine.birth(self._chain.public_key)
        yield self._line(self._chain.seal("birth", time=now, content=birth), now)
        state = self.running.state_content()
        yield self._line(self._chain.seal("state", time=now, content=state), now)

    def beat(self, dt: float, now: int) -> Iterator[Line]:
        scan = self.running.step(dt, now)
        for kind, content in scan.told:
            yield self._line(self._chain.seal(kind, time=now, content=content), now)
        yield self._line(self._chain.seal("telemetry", time=now, readings=scan.readings), now)

    def _line(self, entry: Entry, now: int) -> Line:
        self._chain.advance(entry)
        return Line(
            received=now,
            topic=str(self._machine.topic.with_kind(entry.kind)),
            payload=entry.payload,
            qos=1,
            retain=entry.retain,
        )


def _derived(purpose: str, seed: int, device: str) -> bytes:
    return hashlib.sha256(f"factoryledger/test-{purpose}/{seed}/{device}".encode()).digest()
