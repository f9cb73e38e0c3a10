"""Commands that let faults befall running machines: which are taken, and which are not.

Taken is what the operator signed, for the machine on whose topic it came, at most BOUND before
or after now, since this run began, and never before in it: an older note was for another run,
and what was taken is remembered until it is too old to be taken again. Pure; times in µs.
"""

from collections.abc import Mapping
from typing import Final

from simulator.errors import BadScenario
from simulator.faults.grammar import read_fault
from simulator.faults.schedule import Occurrence, schedule
from simulator.machine import Machine
from simulator.ports import CommandChecker

BOUND: Final = 60_000_000  # µs
FIRST_LINE: Final = b"factoryledger command v1\n"


def is_command(payload: bytes) -> bool:
    """Whether a payload means to be a command; nothing is checked."""
    return payload.startswith(FIRST_LINE)


class Commands:
    """The commands of one run."""

    def __init__(
        self, checker: CommandChecker, machines: Mapping[str, Machine], began: int, first: int
    ) -> None:
        """`began` is the wall clock's time at the start; occurrences count from `first`."""
        self._checker, self._machines = checker, machines
        self._began, self._number = began, first
        self._taken: dict[bytes, int] = {}

    def take(self, device: str, payload: bytes, now: int) -> list[Occurrence]:
        """What befalls the device, its start counted from now; ValueError says why nothing."""
        command = self._checker.check(payload)
        if command.device != device or device not in self._machines:
            raise BadScenario(f"a command for {command.device}, on the topic of {device}")
        if command.time < self._began or abs(now - command.time) > BOUND:
            raise BadScenario(f"a command for {device} of another time; sign it anew")
        self._taken = {taken: t for taken, t in self._taken.items() if now - t <= BOUND}
        if command.hash in self._taken:
            raise BadScenario(f"a command for {device} that was taken before")
        spec = read_fault(command.fault)
        if spec.machine != device:
            raise BadScenario(f"a command for {device} with a fault of {spec.machine}")
        found = schedule([spec], [self._machines[device]], first=self._number)
        # Only what is taken counts: a fault that cannot be may be signed again, and better.
        self._taken[command.hash] = command.time
        self._number += len(found)
        return found
