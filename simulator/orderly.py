"""Hears the operator's commands: one client that listens on the machines' `event` topics.

The edge to the link. Everything there that is not meant as a command is the machines' own
and passes; what is meant so and not taken is counted and logged, never answered.
"""

import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Final, Self

from simulator.faults.commands import Commands, is_command
from simulator.faults.schedule import Occurrence
from simulator.machine import Machine
from simulator.ports import CommandChecker
from simulator.wire import Wire
from telemetry.link import Arrival, Link, Subscription
from telemetry.topic import MachineTopic

_LOG: Final = logging.getLogger("simulator.orderly")


class Orderly:
    """Connects while `async with` lasts; `befall` gets a device and what befalls it."""

    def __init__(
        self,
        wire: Wire,
        commands: Commands,
        befall: Callable[[str, Sequence[Occurrence]], None],
        clock: Callable[[], int],
    ) -> None:
        """`clock` is the wall's, µs since the epoch."""
        self.taken = 0
        self.refused = 0
        self._commands, self._befall, self._clock = commands, befall, clock
        levels = [*filter(None, [wire.prefix]), *"+++++", "event"]
        who = wire.who("orderly")
        self._link = Link(
            wire.address,
            client_id=wire.client_id("orderly"),
            username=who.username,
            password=who.password,
            tls=who.tls,
            # Nothing retained: a command is for now.
            subscriptions=[Subscription("/".join(levels), retain_handling=2)],
            on_arrivals=self._take,
            clean_start=True,
        )

    async def __aenter__(self) -> Self:
        await self._link.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._link.__aexit__(kind, error, traceback)

    def _take(self, arrivals: list[Arrival]) -> None:
        for arrival in arrivals:
            topic = MachineTopic.parse(arrival.topic)
            if topic is not None and is_command(arrival.payload):
                self._obey(topic.machine, arrival.payload)
        self._link.acknowledge(arrivals)

    def _obey(self, device: str, payload: bytes) -> None:
        try:
            found = self._commands.take(device, payload, self._clock())
        except ValueError as error:
            self.refused += 1
            _LOG.warning("command refused: %s", error)
            return
        self.taken += 1
        self._befall(device, found)


def wall_clock() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


@asynccontextmanager
async def hearing(
    wire: Wire,
    checker: CommandChecker | None,
    machines: Iterable[Machine],
    befall: Callable[[str, Sequence[Occurrence]], None],
    first: int,
) -> AsyncIterator[None]:
    """Hear commands meanwhile; none where there is no checker. Occurrences count from `first`."""
    if checker is None:
        yield
        return
    known = {machine.name: machine for machine in machines}
    commands = Commands(checker, known, wall_clock(), first)
    async with Orderly(wire, commands, befall, wall_clock):
        yield
