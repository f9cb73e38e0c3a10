"""How a machine passes its day: production runs with holds, from PackML state to state.

Pure: a routine, the seconds that pass and a seeded generator give the next routine and the
states entered on the way. The model is `simulator.packml`; this only decides when an acting
state is done and which command ends a waiting one. Time is counted in whole milliseconds,
so that no rounding depends on the platform.
"""

from typing import Final, NamedTuple

from simulator.chance import Chance
from simulator.machines.kind import Drive, Mode, settle
from simulator.packml import DONE, Command, State, obey

# How long a state lasts, in milliseconds, from and to. Execute: one stretch between
# interruptions of a run.
DWELL: Final[dict[State, tuple[int, int]]] = {
    State.STOPPED: (1_000, 3_000),
    State.RESETTING: (1_000, 3_000),
    State.IDLE: (1_000, 4_000),
    State.STARTING: (2_000, 4_000),
    State.EXECUTE: (30_000, 120_000),
    State.COMPLETING: (1_000, 3_000),
    State.COMPLETED: (2_000, 5_000),
    State.HOLDING: (1_000, 2_000),
    State.HELD: (3_000, 10_000),
    State.UNHOLDING: (1_000, 2_000),
    State.SUSPENDING: (1_000, 2_000),
    State.SUSPENDED: (3_000, 15_000),
    State.UNSUSPENDING: (1_000, 2_000),
    State.STOPPING: (1_000, 3_000),
    State.ABORTING: (1_000, 1_000),
    State.ABORTED: (5_000, 20_000),
    State.CLEARING: (2_000, 5_000),
}
RUN_LENGTH: Final = (90_000, 400_000)  # ms in Execute until the run is complete
TARGET_LENGTH: Final = (5_000, 20_000)  # ms for which the demand stays what it is
LOWEST_DEMAND: Final = 0.35
LOAD_TAU: Final = 3.0  # s

# What ends a state that waits for a command, and with what chance; the last takes the rest.
ENDS: Final[dict[State, tuple[tuple[float, Command], ...]]] = {
    State.STOPPED: ((1.0, Command.RESET),),
    State.IDLE: ((1.0, Command.START),),
    State.EXECUTE: ((0.55, Command.HOLD), (0.43, Command.SUSPEND), (0.02, Command.ABORT)),
    State.COMPLETED: ((0.9, Command.RESET), (0.1, Command.STOP)),
    State.HELD: ((0.97, Command.UNHOLD), (0.03, Command.STOP)),
    State.SUSPENDED: ((0.9, Command.UNSUSPEND), (0.1, Command.HOLD)),
    State.ABORTED: ((1.0, Command.CLEAR),),
}

_OFF: Final = frozenset({State.STOPPED, State.ABORTING, State.ABORTED, State.CLEARING})
_STANDBY: Final = frozenset(
    {State.RESETTING, State.IDLE, State.HELD, State.SUSPENDED, State.COMPLETED}
)
# At work, but on the way in or out: the demand goes to this part of its target.
RAMP: Final = {
    State.STARTING: 0.3,
    State.UNHOLDING: 0.3,
    State.UNSUSPENDING: 0.3,
    State.EXECUTE: 1.0,
}


class Routine(NamedTuple):
    """State now, milliseconds it still lasts, milliseconds of the run left, and demand."""

    state: State
    left: int
    run_left: int
    target: float
    target_left: int
    load: float

    @property
    def drive(self) -> Drive:
        """What the state and the demand mean for the machine's physics."""
        return Drive(mode_of(self.state), self.load)


def mode_of(state: State) -> Mode:
    """What a PackML state means for the drives."""
    if state in _OFF:
        return Mode.OFF
    return Mode.STANDBY if state in _STANDBY else Mode.RUN


def begin(rng: Chance) -> Routine:
    """A stopped machine at the start of its day."""
    return Routine(State.STOPPED, draw(rng, DWELL[State.STOPPED]), 0, 0.0, 0, 0.0)


def advance(routine: Routine, dt: float, rng: Chance) -> tuple[Routine, tuple[State, ...]]:
    """Let `dt` seconds pass; the states entered meanwhile, in order.

    Every state lasts a second or more, so the loop ends after about `dt` rounds. The demand
    follows a target that changes every few seconds.
    """
    milliseconds = round(dt * 1000)
    entered: list[State] = []
    left = milliseconds
    while routine.left <= left:
        left -= routine.left
        routine = _leave(routine, rng)
        entered.append(routine.state)
    target, target_left = routine.target, routine.target_left - milliseconds
    if target_left <= 0:
        target = round(LOWEST_DEMAND + (1 - LOWEST_DEMAND) * rng.random(), 4)
        target_left = draw(rng, TARGET_LENGTH)
    wanted = target * RAMP.get(routine.state, 0.0)
    load = round(settle(routine.load, wanted, dt, LOAD_TAU), 4)
    state, stays, run_left = routine.state, routine.left - left, routine.run_left
    return Routine(state, stays, run_left, target, target_left, load), tuple(entered)


def _leave(routine: Routine, rng: Chance) -> Routine:
    """The routine at the start of the state that follows."""
    state = _next_state(routine, rng)
    run_left = routine.run_left
    if state is State.STARTING:
        run_left = draw(rng, RUN_LENGTH)
    left = draw(rng, DWELL[state])
    if state is State.EXECUTE:
        left = max(1_000, min(left, run_left))
        run_left -= left
    return routine._replace(state=state, left=left, run_left=run_left)


def _next_state(routine: Routine, rng: Chance) -> State:
    finished = routine.state is State.EXECUTE and routine.run_left <= 0
    ends = ENDS.get(routine.state)
    if finished or ends is None:
        return DONE[routine.state]
    command = _choose(rng, ends)
    state = obey(routine.state, command)
    assert state is not None, (routine.state, command)
    return state


def draw(rng: Chance, limits: tuple[int, int]) -> int:
    """A whole number of milliseconds between two, both included."""
    low, high = limits
    return low + int(rng.random() * (high - low + 1))


def _choose(rng: Chance, ends: tuple[tuple[float, Command], ...]) -> Command:
    drawn = rng.random()
    for chance, command in ends:
        drawn -= chance
        if drawn < 0:
            return command
    return ends[-1][1]
