"""What a fault is: four groups, each with one method that says what it does while it lasts.

A fault is a frozen model as a scenario writes it; what it does depends on nothing but the
arguments of that method, so that the same seed gives the same fault. A new one is one file
with a model, and its name in `simulator.faults.spec`. Pure.
"""

from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from simulator.chain import Entry
from simulator.chance import Chance
from simulator.machines.kind import Metric, shown
from simulator.spans import Span
from simulator.work.making import UNDISTURBED, Influence
from telemetry.message import Cited
from telemetry.signature import SigningKey
from telemetry.topic import MachineTopic

Group = Literal["sensor", "process", "network", "security"]
Touched = Literal["metric", "machine", "nothing"]
Share = Annotated[FiniteFloat, Field(gt=0, le=1)]
Positive = Annotated[FiniteFloat, Field(gt=0)]


class Moment(NamedTuple):
    """How long a fault has lasted, how long it does in all (ms), and its own generator."""

    since: int
    lasts: int
    rng: Chance

    def progress(self, ramp: int | None) -> float:
        """From 0 to 1 along a ramp of milliseconds; None is the fault's whole length."""
        length = self.lasts if ramp is None else ramp
        return 1.0 if self.since >= length else self.since / length


class FaultSpec(BaseModel):
    """What every fault has: the machines that it befalls, when it begins, how long it lasts."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    group: ClassVar[Group]
    # Which readings are other than they would be: of its metric, of its machine, or none.
    touches: ClassVar[Touched] = "nothing"

    machine: Annotated[
        str, Field(min_length=1, description="A machine's name, or a pattern of names like mill-*")
    ]
    start: Annotated[Span, Field(description="After the scenario's start")]
    lasts: Annotated[Span, Field(gt=0, description="How long")]

    def parameters(self) -> dict[str, Any]:
        """Its own fields, spans in seconds: what is told beside machine, metric and interval."""
        own = self.model_dump(
            exclude={"fault", "machine", "metric", "start", "lasts"}, exclude_none=True
        )
        # Only spans are whole numbers: milliseconds.
        return {name: v / 1000 if isinstance(v, int) else v for name, v in own.items()}


class Reading(NamedTuple):
    """What a sensor would say: its value, what it said before the fault, and its metric."""

    value: float
    held: float
    metric: Metric


class SensorFault(FaultSpec):
    """The machine is well; one of its sensors says something else."""

    group: ClassVar[Group] = "sensor"
    touches: ClassVar[Touched] = "metric"
    # Which part of the sensor's range `by` is where the scenario leaves it out.
    usual: ClassVar[float | None] = None
    metric: Annotated[
        str, Field(min_length=1, description="A metric, or a pattern like vibration*")
    ]

    def sized(self, metric: Metric) -> Self:
        """This fault on one metric, its size in that metric's unit."""
        if self.usual is None or getattr(self, "by", None) is not None:
            return self
        return self.model_copy(update={"by": shown((metric.high - metric.low) * self.usual, 6)})

    def sense(self, reading: Reading, moment: Moment) -> float | None:
        """What is read instead; None where nothing is. Cut off at the sensor's range later."""
        raise NotImplementedError


class ProcessFault(FaultSpec):
    """The machine itself is unwell: the fault is in its state, the physics do the rest.

    `field` names the part of a kind's state that it changes; kinds without it cannot have it.
    None: it acts on the drive alone, which every kind has.
    """

    group: ClassVar[Group] = "process"
    touches: ClassVar[Touched] = "machine"
    field: ClassVar[str | None] = None

    def worsen(self, value: Any, moment: Moment) -> Any:  # noqa: ARG002 - for others
        """The field's value for the next step, from what it would be without this fault."""
        return value

    def influence(self, moment: Moment) -> Influence:  # noqa: ARG002 - for others
        """What it means for speed and scrap."""
        return UNDISTURBED


class Weather(NamedTuple):
    """What becomes of a machine's messages on their way, and of its clock.

    `closed`: no connection; `breaks` counts the connections cut since the fault began; `delay`
    and `scatter` in seconds: each message takes so long, and up to so much longer; `doubled` and
    `withheld`: shares of messages; `clock`: microseconds that the machine's clock is ahead.
    """

    closed: bool = False
    breaks: int = 0
    delay: float = 0.0
    scatter: float = 0.0
    doubled: float = 0.0
    withheld: float = 0.0
    clock: int = 0

    def and_also(self, other: "Weather") -> "Weather":
        """Both at once."""
        return Weather(
            self.closed or other.closed,
            self.breaks + other.breaks,
            self.delay + other.delay,
            max(self.scatter, other.scatter),
            max(self.doubled, other.doubled),
            max(self.withheld, other.withheld),
            self.clock + other.clock,
        )


FAIR: Weather = Weather()


class NetworkFault(FaultSpec):
    """The machine and its sensors are well; its messages do not arrive as they should."""

    group: ClassVar[Group] = "network"

    def weather(self, moment: Moment) -> Weather:
        """The conditions now. Drawn from nothing but the moment."""
        raise NotImplementedError


class Scene(NamedTuple):
    """What whoever attacks a machine can know, after the machine's messages of this beat.

    `session`, `seq` and `prev` are those that its next message will have.
    """

    topic: MachineTopic
    key: SigningKey
    session: str
    seq: int
    prev: bytes | None
    anchor: Cited | None
    time: int
    readings: dict[str, float]
    sent: tuple[Entry, ...]


class Publication(NamedTuple):
    """A message that somebody else publishes: topic without prefix, and payload."""

    topic: MachineTopic
    payload: bytes


class Intruder(Protocol):
    """Somebody who publishes for as long as the fault lasts."""

    def act(self, scene: Scene) -> list[Publication]:
        """What they publish at this beat, after the machine's own messages."""


class SecurityFault(FaultSpec):
    """Somebody else acts: publishes what the machine never said."""

    group: ClassVar[Group] = "security"

    def intruder(self, scene: Scene, rng: Chance) -> Intruder:
        """Who that is, from the scene at which it begins."""
        raise NotImplementedError
