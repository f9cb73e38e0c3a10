"""A machine at its work: which command its PackML states are given, when, and why.

After ISA-TR88.00.02: *Suspended* for what comes from outside (starved by the machine before
it, blocked by the one behind), *Held* for its own causes (short stops, breaks of who serves
it), *Stopped* off shift and in other modes, *Aborted* when it breaks down. Pure: seconds,
the time, wear and a seeded generator go in, states and what is to be told come out. Whole
milliseconds and parts, so that nothing depends on how a platform rounds.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Final

from simulator.chance import Chance
from simulator.machines.kind import Drive, settle
from simulator.packml import DONE, Command, State, UnitMode, obey
from simulator.routine import DWELL, LOAD_TAU, RAMP, TARGET_LENGTH, draw, mode_of
from simulator.work.calendar import Duty, calendar_of
from simulator.work.flow import Flow
from simulator.work.job import Job
from simulator.work.making import UNDISTURBED, Making

SET_UP: Final = (10_000, 60_000)  # ms in Manual after a breakdown
REPAIR: Final = 8  # a breakdown takes so many times as long as a stop
_NEVER: Final = 1 << 60
_ACTING: Final = frozenset(DONE) - {State.EXECUTE}
_ON_DUTY: Final = frozenset(
    {State.EXECUTE, State.IDLE, State.COMPLETED, State.HELD, State.SUSPENDED}
)
_CAUSELESS: Final = frozenset({State.EXECUTE, State.RESETTING, State.COMPLETING})
_NOBODY: Final = Duty(None, paused=False, until=0)

Told = tuple[str, dict[str, Any]]


class Worker:
    """One machine's work from its first beat on; `influence` may be set between beats."""

    __slots__ = (
        "_calendar", "_cause", "_duty", "_job", "_left", "_load", "_rng", "_target",
        "_target_left", "_to_stop", "_told", "_worked", "influence", "made", "mode",
        "serviced", "state",
    )  # fmt: skip

    def __init__(self, job: Job, flow: Flow, rng: Chance) -> None:
        """Stopped, off duty and new; `flow` is shared by the machines of its line."""
        self._job, self._rng = job, rng
        self.made = Making(job, flow, rng)
        self._calendar = calendar_of(job.shifts)
        self._duty = _NOBODY
        self.state, self.mode = State.STOPPED, UnitMode.PRODUCTION
        self.influence = UNDISTURBED
        self.serviced = False
        self._cause: str | None = None
        self._left = draw(rng, DWELL[State.STOPPED])
        self._to_stop = self._next_stop()
        self._worked = self._target_left = 0
        self._load = self._target = 0.0
        self._told: list[Told] = []

    @property
    def drive(self) -> Drive:
        """What state and demand mean for the machine's physics."""
        return Drive(mode_of(self.state), self._load)

    def state_content(self) -> dict[str, Any]:
        """The object of a `state` message: state and mode, the cause, the order."""
        content: dict[str, Any] = {
            "name": self.state.title,
            "number": int(self.state),
            "mode": self.mode.title,
            "mode_number": int(self.mode),
        }
        if self._cause is not None:
            content["cause"] = self._cause
        if self.made.order is not None:
            content["order"] = self.made.order
        return content

    def step(self, dt: float, now: int, wear: float) -> tuple[Told, ...]:
        """Let `dt` seconds pass until `now` (ms since 1970); what is told meanwhile, in order.

        `wear`, from 0 to 1, adds to the scrap. `serviced` says whether maintenance ended.
        """
        milliseconds = round(dt * 1000)
        self.serviced = False
        self.made.open()
        if now >= self._duty.until:
            self._change_duty(now)
        ran = self._pass(milliseconds)
        self._follow_demand(milliseconds, dt)
        planned = self._duty.working and self.mode is not UnitMode.MAINTENANCE
        self._worked += ran
        share = self._job.pace.scrap_at(wear) + self.influence.scrap
        event = self.made.work(milliseconds * planned, ran, self._load, share, now)
        if event is not None:
            self._told.append(("event", event))
        if not self._told:
            return ()
        told, self._told = tuple(self._told), []
        return told

    def readings(self) -> dict[str, float]:
        """Mode, parts, levels and effectiveness, as `simulator.work.metrics` declares them."""
        return {"unit_mode": float(self.mode), **self.made.readings()}

    def _pass(self, milliseconds: int) -> int:
        """Go through the states of this time; how much of it was Execute.

        Every acting state lasts a second or more, so the loop ends.
        """
        left, ran = milliseconds, 0
        while True:
            if self.state in _ACTING:
                if not self._left:
                    self._enter(DONE[self.state])
                    continue
            elif (command := self._command()) is not None:
                after = obey(self.state, command)
                assert after is not None, (self.state, command)
                self._enter(after)
                continue
            if not left:
                return ran
            spent = min(left, self._left or left)
            left -= spent
            self._left -= min(spent, self._left)
            if self.state is State.EXECUTE:
                ran += spent

    def _enter(self, state: State) -> None:
        """Be in another state, and tell it; `_left` is how long it lasts, 0 until a command."""
        before, self.state = self.state, state
        if before is State.EXECUTE:
            self._to_stop = self._left or self._next_stop()
        if state in _CAUSELESS:
            self._cause = None
        self._left = self._stay(before, state)
        if state is State.STARTING and (event := self.made.begin()) is not None:
            self._told.append(("event", event))
        self._told.append(("state", self.state_content()))

    def _stay(self, before: State, state: State) -> int:
        """How long the state that was entered lasts, 0 for until a command ends it."""
        upkeep = self._job.upkeep
        if state is State.EXECUTE:
            return self._to_stop
        if state is State.STOPPED:
            return self._stand(before)
        if state is State.IDLE:
            return upkeep.changeover if self.made.changes else 0
        if state is State.HELD:
            return 0 if self._cause == "break" else self._around(upkeep.stop)
        if state is State.ABORTED:
            return self._around(REPAIR * upkeep.stop)
        return 0 if state is State.SUSPENDED else draw(self._rng, DWELL[state])

    def _stand(self, before: State) -> int:
        """Why it stands: maintenance that is due, setting up after a breakdown, or nothing."""
        if self._service_due:
            self._switch(UnitMode.MAINTENANCE)
            return max(1, self._job.upkeep.service)
        if before is State.CLEARING:
            self._switch(UnitMode.MANUAL)
            return draw(self._rng, SET_UP)
        return draw(self._rng, DWELL[State.STOPPED])

    def _switch(self, mode: UnitMode) -> None:
        """Change the unit mode and tell it; PackML lets machines do so where they stand."""
        before, self.mode = self.mode, mode
        self._told.append(
            ("event", {"name": "mode-changed", "from": before.title, "to": mode.title})
        )

    def _command(self) -> Command | None:
        """What the present state is told to do now, its cause noted; None to go on."""
        if self.influence.halt is not None and self.state is not State.ABORTED:
            return self._for(self.influence.halt, Command.ABORT)
        if self.state in _ON_DUTY:
            if self._duty.shift is None:
                return self._for("off-shift", Command.STOP)
            if self._service_due:
                return self._for("service", Command.STOP)
        return self._RULES[self.state](self)

    def _for(self, cause: str, command: Command) -> Command:
        self._cause = cause
        return command

    def _when_stopped(self) -> Command | None:
        if self._left:
            return None
        if self.mode is not UnitMode.PRODUCTION:
            if self.mode is UnitMode.MAINTENANCE:
                self._worked, self.serviced = 0, True
            self._switch(UnitMode.PRODUCTION)
            self._told.append(("state", self.state_content()))
        return Command.RESET if self._duty.working else None

    def _when_idle(self) -> Command | None:
        making = self.made
        ready = not self._left and self._duty.working and making.supplied and making.roomy
        return Command.START if ready else None

    def _when_executing(self) -> Command | None:
        if not self._left:
            if self._rng.random() < self._job.upkeep.breakdowns:
                return self._for("breakdown", Command.ABORT)
            return self._for("short-stop", Command.HOLD)
        if self._duty.paused:
            return self._for("break", Command.HOLD)
        making = self.made
        if making.over:
            return Command.COMPLETE
        if not making.supplied:
            return self._for("starved", Command.SUSPEND)
        return None if making.roomy else self._for("blocked", Command.SUSPEND)

    def _when_held(self) -> Command | None:
        return None if self._left or self._duty.paused else Command.UNHOLD

    def _when_suspended(self) -> Command | None:
        if self.made.over:
            return Command.COMPLETE
        if self._duty.paused:
            return self._for("break", Command.HOLD)
        return Command.UNSUSPEND if self.made.freed(self._cause) else None

    def _when_completed(self) -> Command | None:
        ready = not self._left and self._duty.working and self.made.supplied
        return Command.RESET if ready else None

    def _when_aborted(self) -> Command | None:
        waits = self._left or self.influence.halt is not None
        return None if waits else Command.CLEAR

    @property
    def _service_due(self) -> bool:
        return 0 < self._job.upkeep.service_after <= self._worked

    def _change_duty(self, now: int) -> None:
        """Take up the duty of this time; a new shift is counted anew."""
        before, self._duty = self._duty, self._calendar.at(now)
        if before.shift != self._duty.shift:
            if before.shift:
                result = self.made.shift_result()
                ended = {"name": "shift-ended", "shift": before.shift, **result}
                self._told.append(("event", ended))
            if self._duty.shift:
                self.made.new_shift()
                self._told.append(("event", {"name": "shift-started", "shift": self._duty.shift}))
        elif before.paused != self._duty.paused:
            name = "break-started" if self._duty.paused else "break-ended"
            self._told.append(("event", {"name": name, "shift": self._duty.shift}))

    def _follow_demand(self, milliseconds: int, dt: float) -> None:
        """The load follows a target that changes every few seconds, and faults' speed."""
        self._target_left -= milliseconds
        if self._target_left <= 0:
            low, high = self._job.pace.demand
            self._target = round(low + (high - low) * self._rng.random(), 4)
            self._target_left = draw(self._rng, TARGET_LENGTH)
        wanted = self._target * self.influence.speed * RAMP.get(self.state, 0.0)
        self._load = round(settle(self._load, wanted, dt, LOAD_TAU), 4)

    def _next_stop(self) -> int:
        mean = self._job.upkeep.between_stops
        return self._around(mean) if mean else _NEVER

    def _around(self, mean: int) -> int:
        """From half to one and a half times the mean, at least 1 ms."""
        return draw(self._rng, (max(1, mean // 2), max(1, mean + mean // 2)))

    _RULES: ClassVar[dict[State, Callable[["Worker"], Command | None]]] = {
        State.STOPPED: _when_stopped,
        State.IDLE: _when_idle,
        State.EXECUTE: _when_executing,
        State.HELD: _when_held,
        State.SUSPENDED: _when_suspended,
        State.COMPLETED: _when_completed,
        State.ABORTED: _when_aborted,
    }
