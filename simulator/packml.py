"""The PackML state model: 17 states, 10 commands, one table.

After ISA-TR88.00.02-2022 (PackML), state and command numbers as in its PackTags
(StateCurrent, CntrlCmd); `Hold` and `Complete` are taken in the states the 2022 edition
names. Pure: a state and a command go in, a state comes out; who gives the commands, and
when an acting state is done, is the routine's business.
"""

from enum import IntEnum
from typing import Final


class State(IntEnum):
    """A PackML state by its PackTags number."""

    CLEARING = 1
    STOPPED = 2
    STARTING = 3
    IDLE = 4
    SUSPENDED = 5
    EXECUTE = 6
    STOPPING = 7
    ABORTING = 8
    ABORTED = 9
    HOLDING = 10
    HELD = 11
    UNHOLDING = 12
    SUSPENDING = 13
    UNSUSPENDING = 14
    RESETTING = 15
    COMPLETING = 16
    COMPLETED = 17

    @property
    def title(self) -> str:
        """The name as people and `state` messages write it: `Execute`."""
        return self.name.capitalize()


class Command(IntEnum):
    """A PackML control command by its PackTags number."""

    RESET = 1
    START = 2
    STOP = 3
    HOLD = 4
    UNHOLD = 5
    SUSPEND = 6
    UNSUSPEND = 7
    ABORT = 8
    CLEAR = 9
    COMPLETE = 10


# What an acting state becomes when its work is done ("SC" in the report's figure).
# Execute is here too: its work being done is the end of the production run.
DONE: Final[dict[State, State]] = {
    State.RESETTING: State.IDLE,
    State.STARTING: State.EXECUTE,
    State.EXECUTE: State.COMPLETING,
    State.COMPLETING: State.COMPLETED,
    State.HOLDING: State.HELD,
    State.UNHOLDING: State.EXECUTE,
    State.SUSPENDING: State.SUSPENDED,
    State.UNSUSPENDING: State.EXECUTE,
    State.STOPPING: State.STOPPED,
    State.ABORTING: State.ABORTED,
    State.CLEARING: State.STOPPED,
}

_NOT_STOPPABLE: Final = frozenset(
    {State.STOPPING, State.STOPPED, State.ABORTING, State.ABORTED, State.CLEARING}
)
_NOT_ABORTABLE: Final = frozenset({State.ABORTING, State.ABORTED})

TRANSITIONS: Final[dict[tuple[State, Command], State]] = {
    (State.STOPPED, Command.RESET): State.RESETTING,
    (State.COMPLETED, Command.RESET): State.RESETTING,
    (State.IDLE, Command.START): State.STARTING,
    (State.EXECUTE, Command.HOLD): State.HOLDING,
    (State.SUSPENDED, Command.HOLD): State.HOLDING,
    (State.HELD, Command.UNHOLD): State.UNHOLDING,
    (State.EXECUTE, Command.SUSPEND): State.SUSPENDING,
    (State.SUSPENDED, Command.UNSUSPEND): State.UNSUSPENDING,
    (State.EXECUTE, Command.COMPLETE): State.COMPLETING,
    (State.HELD, Command.COMPLETE): State.COMPLETING,
    (State.SUSPENDED, Command.COMPLETE): State.COMPLETING,
    (State.ABORTED, Command.CLEAR): State.CLEARING,
    **{(s, Command.STOP): State.STOPPING for s in State if s not in _NOT_STOPPABLE},
    **{(s, Command.ABORT): State.ABORTING for s in State if s not in _NOT_ABORTABLE},
}


def obey(state: State, command: Command) -> State | None:
    """The state that a command leads to, or None where the model does not take it."""
    return TRANSITIONS.get((state, command))


class UnitMode(IntEnum):
    """A unit mode by its PackTags number (UnitModeCurrent); the three that the report names."""

    PRODUCTION = 1
    MAINTENANCE = 2
    MANUAL = 3

    @property
    def title(self) -> str:
        """The name as people and `state` messages write it: `Production`."""
        return self.name.capitalize()
