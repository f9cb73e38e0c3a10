"""From one message of a source to one that is to be signed, by the mapping. Pure.

Every message that a rule matches gives exactly one: with readings where the rule finds some,
else an event. What the rule could not take is said, not passed over.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import msgspec

from gateway.filters import captures, plain_filter
from gateway.heard import Heard
from gateway.mapping import LEVELS, Clock, Mapping, NodeRule, Reading, Speaks, TopicRule
from gateway.pointer import ABSENT, find, steps
from telemetry.canonical import END_OF_TIME, is_segment
from telemetry.source import Source, source_member
from telemetry.topic import MachineTopic, matches

_OUTSIDE: Final = re.compile(r"[^a-z0-9_-]")
_PART: Final = re.compile(r"\{(/[^{}]*|[a-z][a-z0-9_]*)\}")
MOST: Final = 65
"""Characters of a member that are looked at for a name: one more than a name has."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLI: Final = 1000
_MICRO: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be signed: of whom, when (µs), and either readings or an event's content."""

    topic: MachineTopic
    speaks: Speaks
    time: int
    source: dict[str, Any]
    readings: dict[str, float] | None = None
    content: dict[str, Any] | None = None

    @property
    def kind(self) -> str:
        """The kind of message."""
        return "event" if self.readings is None else "telemetry"


class Translator:
    """Applies a mapping; remembers which rule a topic matched, for so many topics."""

    def __init__(self, mapping: Mapping, remembered: int = 4096) -> None:
        self._mapping = mapping
        self._remembered = remembered
        self._rules: dict[str, TopicRule | None] = {}
        self._nodes = {rule.node: rule for rule in mapping.node}
        self._filters = [plain_filter(rule.topic) for rule in mapping.rule]

    def rule_for(self, topic: str) -> Speaks | None:
        """The first rule that matches; None where none does."""
        if topic not in self._rules:
            if len(self._rules) >= self._remembered:
                self._rules.clear()
            pairs = zip(self._filters, self._mapping.rule, strict=True)
            self._rules[topic] = next((rule for f, rule in pairs if matches(f, topic)), None)
        return self._rules[topic]

    def translate(self, heard: Heard) -> Draft | None:
        """What becomes of a message; None where no rule matches and nothing is said of others."""
        if heard.values is not None:
            return self._of_node(heard, self._nodes[heard.topic])
        speaks = self.rule_for(heard.topic)
        return self.otherwise(heard) if speaks is None else self._of_payload(heard, speaks)

    def otherwise(self, heard: Heard) -> Draft | None:
        """The same as from the device that stands for what no rule matches."""
        other = self._mapping.otherwise
        return None if other is None else self._of_payload(heard, other)

    def _of_payload(self, heard: Heard, speaks: Speaks) -> Draft | None:
        document = _read(heard.payload)
        topic = self._topic(heard, speaks, document)
        if topic is None:
            return self.otherwise(heard)
        untaken: dict[str, str] = {}
        readings: dict[str, float] = {}
        for name, one in speaks.readings.items():
            given = ABSENT if document is ABSENT else find(document, steps(one.pointer))
            _take(name, one, given, readings, untaken)
        time = None
        if speaks.time is not None:
            given = ABSENT if document is ABSENT else find(document, steps(speaks.time.pointer))
            time = _moment(given, speaks.time)
            if time is None:
                untaken["time"] = "absent" if given is ABSENT else "no time"
        return _draft(heard, speaks, topic, time, readings, untaken)

    def _of_node(self, heard: Heard, rule: NodeRule) -> Draft:
        assert heard.values is not None
        topic = self._topic(heard, rule, ABSENT)
        assert topic is not None, "a node's place is named outright"
        untaken: dict[str, str] = {}
        readings: dict[str, float] = {}
        if heard.values.good:
            for name, one in rule.readings.items():
                _take(name, one, heard.values.value, readings, untaken)
        return _draft(heard, rule, topic, heard.values.time, readings, untaken)

    def _topic(self, heard: Heard, speaks: Speaks, document: Any) -> MachineTopic | None:
        """Whose it is; None where the message gives no good name."""
        captured = captures(speaks.topic, heard.topic) if isinstance(speaks, TopicRule) else {}
        found: list[str] = []
        for level in LEVELS:
            named = _named(self._mapping.levels(speaks)[level], captured, document)
            if named is None:
                return None
            found.append(named)
        enterprise, site, area, line, device = found
        return MachineTopic("", enterprise, site, area, line, device, "telemetry")


def _named(text: str, captured: dict[str, str], document: Any) -> str | None:
    """A level's name: what the mapping says, with parts of the message in our letters."""
    missing = False

    def part(found: re.Match[str]) -> str:
        nonlocal missing
        if not found[1].startswith("/"):
            return captured[found[1]]
        value = ABSENT if document is ABSENT else find(document, steps(found[1]))
        if not isinstance(value, str | int) or isinstance(value, bool):
            missing = True
            return ""
        return str(value)[:MOST]

    name = _OUTSIDE.sub("-", _PART.sub(part, text).lower())
    return name if not missing and is_segment(name) and name.strip("-_") else None


def _read(payload: bytes) -> Any:
    """The JSON value; ABSENT where it is none."""
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ABSENT


def _take(
    name: str, reading: Reading, given: Any, readings: dict[str, float], untaken: dict[str, str]
) -> None:
    number = None if given is ABSENT else reading.number(given)
    if number is None:
        untaken[name] = "absent" if given is ABSENT else "not a number"
    elif not math.isfinite(number):
        untaken[name] = "not finite"
    else:
        readings[name] = number


def _draft(  # noqa: PLR0913, PLR0917 - what the message says, part by part
    heard: Heard,
    speaks: Speaks,
    topic: MachineTopic,
    time: int | None,
    readings: dict[str, float],
    untaken: dict[str, str],
) -> Draft:
    source = Source(
        topic=heard.topic,
        sha256=sha256(heard.payload).hexdigest(),
        size=len(heard.payload),
        received=heard.received,
        clock="gateway" if time is None else "source",
    )
    marks = dict(heard.marks)
    if untaken:
        marks["untaken"] = untaken
    kept = speaks.keep == "always" or (speaks.keep == "unmapped" and not readings)
    fits = len(heard.payload) <= speaks.keep_at_most
    if kept and not fits:
        marks["left_out"] = True
    member = source_member(source, marks=marks, payload=heard.payload if kept and fits else None)
    at = heard.received if time is None else time
    if readings:
        return Draft(topic, speaks, at, member, readings=readings)
    return Draft(topic, speaks, at, member, content={"name": speaks.event})


def _moment(given: Any, clock: Clock) -> int | None:
    """Microseconds since the epoch; None where nothing says so, or no message of ours could."""
    found = _iso(given) if clock.form == "iso" else _since(given, clock.form)
    return found if found is not None and 0 <= found < END_OF_TIME else None


def _iso(given: Any) -> int | None:
    if not isinstance(given, str):
        return None
    try:
        moment = datetime.fromisoformat(given)
        if moment.tzinfo is None:
            return None  # of no zone: any guess would be a claim of ours
        since = moment - _EPOCH
    except (ValueError, OverflowError):
        return None
    return (since.days * 86_400 + since.seconds) * _MICRO + since.microseconds


def _since(given: Any, form: str) -> int | None:
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    try:
        return round(given * (_MILLI if form == "ms" else _MICRO))
    except (OverflowError, ValueError):
        return None
