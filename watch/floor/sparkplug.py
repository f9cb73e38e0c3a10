"""A Sparkplug device's message as it is heard: read for showing, as `heard` reads JSON. Pure.

Data name their metrics by alias, so what came before its birth was heard shows no readings.
Who said it, and in which order, stands in the header beside the payload, where there is one.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from telemetry.decoding import UNBORN, Names, names_of, readings_of
from telemetry.errors import MalformedPayload
from telemetry.sparkplug import Metric, Payload
from telemetry.sparkplug_topic import SparkplugTopic
from telemetry.topic import MachineTopic
from watch.floor.heard import MAX_METRICS, MAX_PAYLOAD, Heard, Range, hear

KINDS: Final = {"DBIRTH": "birth", "DDATA": "telemetry", "DDEATH": "death", "NDEATH": "death"}
NAMESPACE: Final = "spBv1.0/"
_STATE: Final = "State/Name"
_NUMBER: Final = "State/Number"
_OWN: Final = frozenset({_NUMBER, "bdSeq"})
_MOST_NAMES: Final = 512
_LINE_LEVELS: Final = 3


@dataclass(slots=True)
class Births:
    """The names that devices' births gave, by whose they are; so many are kept."""

    most: int
    _known: dict[str, Names] = field(default_factory=dict)

    def of(self, root: str) -> Names:
        """What its newest birth said."""
        return self._known.get(root, UNBORN)

    def forget(self, root: str) -> None:
        """Let go of a device that is shown no more."""
        self._known.pop(root, None)

    def born(self, root: str, payload: bytes) -> None:
        """Take a birth; one of too many metrics, or one too many, names nothing."""
        names = names_of(payload)
        if root in self._known or len(self._known) < self.most:
            few = len(names.aliases) <= _MOST_NAMES and len(names.types) <= _MOST_NAMES
            self._known[root] = names if few else UNBORN


def place_of(topic: SparkplugTopic) -> MachineTopic:
    """Give where a device stands: its node's name is `<site>_<area>_<line>`, else a line's."""
    parts = topic.node.split("_", _LINE_LEVELS - 1)
    site, area, line = parts if len(parts) == _LINE_LEVELS else ("", "", topic.node)
    return MachineTopic(
        topic.prefix, topic.group, site, area, line, topic.sender, KINDS[topic.type]
    )


def hear_device(topic: SparkplugTopic, payload: bytes, header: bytes, names: Names) -> Heard:
    """Read a device's message; `names` are those of its newest birth."""
    said = hear(header) if header else Heard("unsigned")
    if len(payload) > MAX_PAYLOAD:
        return replace(said, faulty=True)
    try:
        read = Payload.from_bytes(payload)
    except MalformedPayload:
        return replace(said, faulty=True)
    time = said.time if said.time is not None else (read.timestamp or 0) * 1000
    found = dict[int, dict[str, float]]()
    for one in readings_of(topic.type, payload, time, names):
        if one.metric not in _OWN and len(found.setdefault(one.time, {})) < MAX_METRICS:
            found[one.time][one.metric] = one.value
    scans = tuple((at, readings) for at, readings in sorted(found.items()) if readings)
    return replace(
        said,
        time=time,
        scans=scans,
        state=_state(read, names),
        metrics=_ranges(read) if topic.type == "DBIRTH" else None,
        faulty=False,
    )


def _state(read: Payload, names: Names) -> tuple[str, int | None] | None:
    name, number = None, None
    for metric in read.metrics:
        called = metric.name or names.aliases.get(-1 if metric.alias is None else metric.alias)
        if called == _STATE and metric.value is not None and isinstance(metric.value.raw, str):
            name = metric.value.raw[:128]
        elif called == _NUMBER and metric.value is not None and isinstance(metric.value.raw, int):
            number = int(metric.value.raw)
    return None if name is None else (name, number)


def _ranges(read: Payload) -> dict[str, Range]:
    named = [metric for metric in read.metrics if metric.name and metric.properties]
    return {str(metric.name)[:128]: _range(metric) for metric in named[:MAX_METRICS]}


def _range(metric: Metric) -> Range:
    said = {one.key: one.value.raw for one in metric.properties if one.value is not None}
    unit, low, high = said.get("engUnit"), said.get("engLow"), said.get("engHigh")
    return Range(
        unit[:128] if isinstance(unit, str) else "",
        low if isinstance(low, float) else None,
        high if isinstance(high, float) else None,
    )
