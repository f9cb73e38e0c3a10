"""The mapping file's meaning: which message of a source is whose, and what of it is a reading.

Frozen models that check themselves; the file's text is `mapping_file`'s business. Pure.
"""

import math
import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    StringConstraints,
    field_validator,
    model_validator,
)

from gateway.filters import CAPTURE, check_filter, names, plain_filter
from gateway.pointer import steps
from telemetry.address import Address
from telemetry.canonical import is_segment

LEVELS: Final = ("enterprise", "site", "area", "line", "device")
KEPT_AT_MOST: Final = 512 * 1024

_MEMBER: Final = re.compile(r"\{(/[^{}]*)\}")
_NODE: Final = re.compile(r"(ns=[0-9]{1,5};)?[isgb]=.+", re.ASCII)


def _pointer(text: str) -> str:
    steps(text)
    return text


def _filter(text: str) -> str:
    check_filter(text)
    return text


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("no signed message holds U+0000")
    return text


def _broker(text: str) -> str:
    Address.parse(text)
    return text


def _url(text: str) -> str:
    if "@" in text:
        raise ValueError("user and password do not belong there; write `user`, `password_file`")
    return text


def _node(text: str) -> str:
    if not _NODE.fullmatch(text):
        raise ValueError("a node id is written ns=2;s=Press.Temperature, or i=2258 (OPC 10000-6)")
    return text


Pointer = Annotated[str, AfterValidator(_pointer)]
Segment = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,64}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_without_nul)]
Keep = Literal["unmapped", "always", "never"]


class Strict(BaseModel):
    """A table of the file: no field but those named."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Reading(Strict):
    """One number of a payload: where it stands, and what it means.

    value = given * scale + offset, in `unit` (UCUM); a boolean is 0 or 1, a text is what `values`
    says, and a number within a text counts where `text` is true. `low` and `high` are the range
    that the metric is made for.
    """

    pointer: Pointer = ""
    unit: Annotated[str, AfterValidator(_without_nul)] = "1"
    scale: FiniteFloat = 1.0
    offset: FiniteFloat = 0.0
    values: dict[str, FiniteFloat] = Field(default_factory=dict)
    text: bool = False
    low: FiniteFloat = -1e308
    high: FiniteFloat = 1e308

    def number(self, given: object) -> float | None:
        """What is given as this reading; None where that is no number. It may be infinite."""
        if isinstance(given, str):
            if given in self.values:
                return self.values[given]
            if not self.text:
                return None
            try:
                given = float(given)
            except ValueError:
                return None
        if not isinstance(given, bool | int | float):
            return None
        try:
            return float(given) * self.scale + self.offset
        except OverflowError:
            return math.inf


class Clock(Strict):
    """Where a payload says when: ISO 8601 with a zone, or seconds or milliseconds since 1970."""

    pointer: Pointer
    form: Literal["iso", "s", "ms"] = "iso"


class Speaks(Strict):
    """For whom a message speaks, and what becomes of it."""

    device: str
    line: str | None = None
    area: str | None = None
    site: str | None = None
    enterprise: str | None = None
    kind: Segment = "machine"
    readings: dict[Name, Reading] = Field(default_factory=dict)
    event: Name = "source-message"
    time: Clock | None = None
    keep: Keep = "unmapped"
    keep_at_most: int = Field(default=64 * 1024, ge=0, le=KEPT_AT_MOST)

    @field_validator("device", "line", "area", "site", "enterprise")
    @classmethod
    def _names(cls, text: str | None) -> str | None:
        if text is None:
            return None
        for member in _MEMBER.findall(text):
            steps(member)
        rest = CAPTURE.sub("x", _MEMBER.sub("x", text))
        if not is_segment(rest):
            raise ValueError(
                "1 to 64 of a-z, 0-9, _ and -, and {name} for a level of the topic or {/pointer} "
                "for a member of the payload"
            )
        return text

    @property
    def places(self) -> dict[str, str | None]:
        """The levels of a machine's topic, as far as they are said here."""
        return {level: getattr(self, level) for level in LEVELS}


class TopicRule(Speaks):
    """What becomes of the MQTT messages that match a topic filter."""

    topic: Annotated[str, AfterValidator(_filter)]
    qos: Literal[0, 1] = 1

    @model_validator(mode="after")
    def _captured(self) -> Self:
        known = names(self.topic)
        for level, text in self.places.items():
            for name in CAPTURE.findall(text or ""):
                if name not in known:
                    raise ValueError(
                        f"{level}: {{{name}}} names no level of the topic {self.topic!r}; "
                        f"allowed: {', '.join(known) or 'none, write {name} there'}"
                    )
        return self


class Otherwise(Speaks):
    """What becomes of the MQTT messages that no rule matches, as far as they are heard."""

    topic: Annotated[str, AfterValidator(_filter)] = "#"
    qos: Literal[0, 1] = 1


class NodeRule(Speaks):
    """What becomes of the values of an OPC UA node: the one reading that it is."""

    node: Annotated[str, AfterValidator(_node)]

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.readings) > 1:
            raise ValueError("readings: a node is one reading; allowed: one name, or none")
        if any(CAPTURE.search(text or "") or "{" in (text or "") for text in self.places.values()):
            raise ValueError("a node has no levels or members to name; allowed: plain names")
        if self.time is not None:
            raise ValueError("time: a node brings its own source time")
        return self


class Broker(Strict):
    """An MQTT broker that machines speak to; a password is in a file, never here."""

    broker: Annotated[str, AfterValidator(_broker)]
    version: Literal["3.1.1", "5"] = "3.1.1"
    client_id: str | None = None
    user: str | None = None
    password_file: str | None = None
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None


class OpcUaServer(Strict):
    """An OPC UA server that machines are read from."""

    url: Annotated[str, StringConstraints(pattern=r"^opc\.tcp://[^ ]+$"), AfterValidator(_url)]
    interval: float = Field(default=1000.0, gt=0, le=86_400_000)
    user: str | None = None
    password_file: str | None = None


class Mapping(Strict):
    """A whole mapping file."""

    gateway: Segment
    place: Annotated[str, StringConstraints(pattern=r"^([a-z0-9_-]{1,64}/){3}[a-z0-9_-]{1,64}$")]
    source: Broker | None = None
    opcua: OpcUaServer | None = None
    rule: tuple[TopicRule, ...] = ()
    node: tuple[NodeRule, ...] = ()
    otherwise: Otherwise | None = None
    devices_at_most: int = Field(default=256, ge=1, le=10_000)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.rule and not self.node:
            raise ValueError("rule: it maps nothing; write at least one [[rule]] or [[node]]")
        if bool(self.node) != (self.opcua is not None):
            raise ValueError("opcua: [opcua] and [[node]] belong together; write both or neither")
        if self.otherwise is not None and open_ended(self.otherwise):
            raise ValueError("otherwise.device: a plain name, for all that no rule matches")
        if self.otherwise is None and any(map(open_ended, self.rule)):
            raise ValueError(
                "otherwise: a rule that takes names from messages needs it, for what has no good "
                "name; write [otherwise] with a device"
            )
        nodes = [one.node for one in self.node]
        if len(set(nodes)) != len(nodes):
            raise ValueError("node: each node is there once")
        return self

    @property
    def speakers(self) -> Iterator[Speaks]:
        """All rules, and what is done without one."""
        yield from (*self.rule, *self.node)
        if self.otherwise is not None:
            yield self.otherwise

    @property
    def filters(self) -> list[tuple[str, int]]:
        """What the rules ask of a broker, each with its QoS."""
        found: list[tuple[str, int]] = [(plain_filter(r.topic), r.qos) for r in self.rule]
        if self.otherwise is not None and found:
            found.append((plain_filter(self.otherwise.topic), self.otherwise.qos))
        return found

    def levels(self, speaks: Speaks) -> dict[str, str]:
        """The levels of a machine's topic, with names of messages where the rule has them."""
        default = dict(zip(LEVELS, self.place.split("/"), strict=False))
        said = {level: text for level, text in speaks.places.items() if text is not None}
        return default | said

    @property
    def devices(self) -> dict[str, tuple[str, ...]]:
        """The devices that are named outright, with their places; the first rule's word holds."""
        found: dict[str, tuple[str, ...]] = {}
        for speaks in self.speakers:
            levels = tuple(self.levels(speaks)[level] for level in LEVELS)
            if all(map(is_segment, levels)):
                found.setdefault(speaks.device, levels[:-1])
        return found

    def metrics(self, speaks: Speaks) -> dict[str, dict[str, Any]]:
        """What a birth says of a rule's readings."""
        return {
            name: {"unit": one.unit, "low": one.low, "high": one.high}
            for name, one in speaks.readings.items()
        }


def open_ended(speaks: Speaks) -> bool:
    """Whether messages name who it speaks for."""
    return any("{" in (text or "") for text in speaks.places.values())
