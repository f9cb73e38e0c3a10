"""The demo from start to end: starts the line, shows it, ends it, checks what it left.

Edge: signals, the wall clock, the terminal. Ctrl-C, SIGTERM and the end of the duration
mean the same; a second Ctrl-C ends everything at once.
"""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from anchor.errors import Missing
from factoryledger.broker import find_mosquitto, free_port
from factoryledger.demo.finish import by_hand, check, first_reading, prove_row, shown
from factoryledger.demo.line import WITNESS, Line, tally
from factoryledger.demo.progress import Looks, Progress, look
from factoryledger.demo.screen import Screen, open_screen
from factoryledger.errors import WrongUsage
from factoryledger.files import only_one
from factoryledger.installation import Installation
from factoryledger.running import say
from factoryledger.witness_choice import WitnessChoice
from simulator.plant import build_plant

UNWATCHED = 60.0
WEB_PORT = 8080
# SIGHUP: the terminal was closed.
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_TICK = 0.1
_LOOK_EVERY = 0.5


class _Stop:
    """Whether the demo has been asked to end; the second Ctrl-C is a KeyboardInterrupt."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True


def run_demo(place: Installation, duration: float | None) -> bool:
    """Run the demo; True if everything held. `duration` None: until asked to end."""
    begun = time.monotonic()
    port = free_port()
    if duration is None and not sys.stderr.isatty():
        duration = UNWATCHED
    place.data.path.mkdir(parents=True, exist_ok=True)
    with only_one(place.data.path / "demo.lock", "a demo on this data folder"):
        _prepare(place, port)
        settings = place.settings
        line = Line(
            place.data.path,
            machines=settings.machines,
            seed=settings.seed,
            witness_port=port,
            web_port=free_port(WEB_PORT),
        )
        with _signals() as stop, _killed_on_error(line):
            _greet(place, line)
            line.start()
            ready = time.monotonic()
            say(f"demo: ready after {ready - begun:.1f} s; {_until(duration)}")
            say(f"demo: the factory is to be seen at {line.page}")
            with open_screen("factoryledger demo") as screen:
                _watch(place, line, screen, stop, begun, ready, duration)
            return _end(place, line)


def _watch(  # noqa: PLR0913, PLR0917 - one loop's state
    place: Installation,
    line: Line,
    screen: Screen,
    stop: _Stop,
    begun: float,
    ready: float,
    duration: float | None,
) -> None:
    """Keep the line running and shown until it is time to end."""
    first = _FirstProof(place, begun)
    looks = Looks(place)
    next_look = 0.0
    while not stop.asked and (duration is None or time.monotonic() < ready + duration):
        line.tick()
        if time.monotonic() >= next_look:
            next_look = time.monotonic() + _LOOK_EVERY
            progress = looks.next()
            if progress is not None:
                screen.show(progress, line.restarts)
                first.attempt(progress, screen)
        time.sleep(_TICK)


class _FirstProof:
    """Proves and verifies this run's first reading as soon as a checkpoint covers it."""

    def __init__(self, place: Installation, begun: float) -> None:
        self._place = place
        self._begun = begun
        self._before: dict[str, int] | None = None
        self._tried = 0
        self._done = False
        self._before = _sizes(place)

    def attempt(self, progress: Progress, screen: Screen) -> None:
        """Try once for each new checkpoint, until it is done."""
        if self._done or progress.published == self._tried:
            return
        self._tried = progress.published
        for collector, end in _sizes(self._place).items():
            start = (self._before or {}).get(collector, 0)
            row = first_reading(self._place, collector, start) if end > start else None
            if row is None:
                continue
            try:
                path, verified = prove_row(self._place, row)
            except Missing:
                continue
            after = time.monotonic() - self._begun
            screen.say(
                f"first reading proved and verified after {after:.1f} s: {shown(path)}, "
                f"cosigned by {', '.join(verified.witnesses) or 'nobody'}"
            )
            self._done = True
            return


def _sizes(place: Installation) -> dict[str, int]:
    """How many records each collector of the store has; nothing where there is no store."""
    from collector.errors import StoreUnavailable  # noqa: PLC0415

    try:
        collectors = place.ledger.collectors()
    except StoreUnavailable:
        return {}
    sizes = {}
    for collector in collectors:
        sizes[collector.id] = max(
            (b.start + b.size for b in place.ledger.batches(collector.id)), default=0
        )
    return sizes


def _end(place: Installation, line: Line) -> bool:
    """End the line, check what it left and print the summary."""
    say("demo: ending: machines wait for their receipts, the anchor for its witness")
    line.finish(place.settings.drain, lambda: _all_anchored(place))
    devices = {m.name for m in build_plant(place.settings.machines, place.settings.seed)}
    verdict = check(place, tally(line.factory), devices)
    for sentence in verdict.counts:
        say(f"demo: {sentence}")
    for name, count in line.restarts.items():
        if count:
            say(f"demo: {name} was started again {count} times")
    for fault in verdict.faults:
        say(f"demo: DOES NOT HOLD: {fault}")
    if verdict.proof is not None:
        say("demo: to check by hand:")
        for command in by_hand(place, verdict.proof):
            say(f"  {command}")
    return not verdict.faults


def _all_anchored(place: Installation) -> bool:
    """Whether nothing that is stored still waits for the anchor."""
    progress = look(place)
    return progress is not None and progress.all_anchored


def _prepare(place: Installation, port: int) -> None:
    """Make the data folder, or take up the one that is there, with our witness on `port`.

    WrongUsage when its policy asks for witnesses that are not the demo's.
    """
    ours = WitnessChoice(WITNESS, f"http://127.0.0.1:{port}")
    if place.data.create(witnesses=[] if place.data.policy_file.exists() else [ours]):
        return
    others = place.data.policy().witnesses.keys() - {WITNESS}
    if others:
        raise WrongUsage(
            f"{place.data.policy_file} asks for the witness {min(others)}, which a demo cannot "
            "run; use another --data"
        )
    place.data.set_witnesses([ours])


def _greet(place: Installation, line: Line) -> None:
    kind = "mosquitto" if find_mosquitto() else "the embedded broker (no mosquitto was found)"
    say(
        f"demo: {place.settings.machines} machines, {kind} on 127.0.0.1, "
        f"data in {shown(place.settings.data)}, logs of the parts in {shown(line.folder)}"
    )


def _until(duration: float | None) -> str:
    return "Ctrl-C ends it" if duration is None else f"ends after {duration:g} s or with Ctrl-C"


@contextmanager
def _signals() -> Iterator[_Stop]:
    """Turn SIGTERM, SIGHUP and Ctrl-C into a wish to end, for as long as the block lasts."""
    stop = _Stop()
    before = {number: signal.signal(number, stop) for number in _ENDING}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _killed_on_error(line: Line) -> Iterator[None]:
    """Leave no process behind, whatever happens."""
    try:
        yield
    except BaseException:
        line.kill()
        raise
