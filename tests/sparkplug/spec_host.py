"""A host application as the specification has it, by its rules alone: judges what it is sent."""

from dataclasses import dataclass, field

from telemetry.sparkplug import DataType, Payload
from telemetry.sparkplug_topic import SparkplugTopic


class BrokenRule(AssertionError):  # noqa: N818 - says what happened to the rule
    """The specification's rule that a message breaks."""


@dataclass
class SpecHost:
    """Follows one edge node: births, deaths, numbers, aliases. `values` by device and name.

    It looks at payloads as anybody decodes them, and knows nothing of the simulator.
    """

    values: dict = field(default_factory=dict)
    bd_seq: int | None = None
    seq: int | None = None
    alive: set = field(default_factory=set)
    aliases: dict = field(default_factory=dict)
    births: int = 0
    data: int = 0
    deaths: list = field(default_factory=list)

    def hear(self, topic, payload, *, qos=0, retain=False):
        place = SparkplugTopic.parse(topic)
        said = Payload.from_bytes(payload)
        require(not retain, "nothing of an edge node is retained")
        if place.type != "NDEATH":
            require(qos == 0, f"{place.type} has QoS 0")
            require(said.timestamp is not None, "every payload has a timestamp")
            self._count(place, said)
        getattr(self, f"_{place.type.lower()}")(place, said)

    def _count(self, place, said):
        require(said.seq is not None and 0 <= said.seq <= 255, "seq is 0 to 255")
        if place.type == "NBIRTH":
            require(said.seq == 0, "an NBIRTH has seq 0")
        else:
            require(self.seq is not None, "a birth of the node comes first")
            require(said.seq == (self.seq + 1) % 256, f"seq goes on: {self.seq}, {said.seq}")
        self.seq = said.seq

    def _nbirth(self, place, said):
        bd = said.metric("bdSeq")
        require(bd is not None and bd.datatype is DataType.INT64, "an NBIRTH has bdSeq, an Int64")
        control = said.metric("Node Control/Rebirth")
        require(
            control is not None and control.alias is None and control.meaning() is False,
            "an NBIRTH has Node Control/Rebirth, false, without an alias",
        )
        self.bd_seq = bd.meaning()
        self.alive, self.aliases, self.values = {None}, {}, {}
        self.births += 1
        self._born(None, said)

    def _dbirth(self, place, said):
        self.alive.add(place.device)
        self.aliases = {a: one for a, one in self.aliases.items() if one[0] != place.device}
        self._born(place.device, said)

    def _born(self, device, said):
        for metric in said.metrics:
            require(metric.name is not None, "a birth names its metrics")
            require(metric.timestamp is not None, "a metric has a timestamp")
            require(metric.datatype is not None, "a birth has data types")
            self.values[device, metric.name] = metric.meaning()
            if metric.alias is not None:
                require(metric.alias not in self.aliases, "an alias is unique on its node")
                self.aliases[metric.alias] = (device, metric.name, metric.datatype)

    def _data(self, device, said):
        require(device in self.alive, "birth before data")
        self.data += 1
        for metric in said.metrics:
            require(metric.name is None, "with aliases data leaves the name out")
            require(metric.timestamp is not None, "a metric has a timestamp")
            require(metric.alias in self.aliases, "an alias was defined in a birth")
            owner, name, datatype = self.aliases[metric.alias]
            require(owner == device, "an alias of its own")
            self.values[device, name] = metric.meaning(datatype)

    def _ndata(self, place, said):
        self._data(None, said)

    def _ddata(self, place, said):
        self._data(place.device, said)

    def _ddeath(self, place, said):
        require(place.device in self.alive, "only the living die")
        self.alive.discard(place.device)

    def _ndeath(self, place, said):
        require(said.seq is None, "an NDEATH has no seq")
        number = said.metric("bdSeq").meaning()
        self.deaths.append(number)
        if number == self.bd_seq:
            self.alive, self.seq = set(), None


def require(holds, rule):
    if not holds:
        raise BrokenRule(rule)
