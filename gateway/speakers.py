"""The devices that a gateway speaks for: a key, an outbox and a courier each. Edge: the outboxes.

A device is made when it is first spoken for, its place written down before; known again after a
restart, so that what its outbox holds goes on its way, under the topic that it was signed for.
"""

import json
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import structlog

from anchor.keeping.durable import Durable
from gateway.mapping import Mapping, Speaks
from gateway.ports import Keys
from gateway.translate import Draft
from simulator.chain import Entry
from simulator.courier import Courier
from simulator.errors import OutboxDamaged
from simulator.outbox import LIMIT, LIMIT_BYTES, Outbox
from simulator.trust import Trust
from simulator.wire import Wire
from telemetry.canonical import b64
from telemetry.signature import SigningKey
from telemetry.topic import MachineTopic

_log = structlog.get_logger(__name__)
PLACES: Final = "devices.json"


@dataclass(slots=True)
class Speaker:
    """One device, as the gateway speaks for it."""

    topic: MachineTopic
    outbox: Outbox
    courier: Courier
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    rules: set[int] = field(default_factory=set)
    told: bool = False


class Speakers:
    """All of them; `joined` is told of each new courier."""

    def __init__(  # noqa: PLR0913 - what a device's outbox and courier need, all keywords
        self,
        mapping: Mapping,
        *,
        folder: Path,
        keys: Keys,
        trust: Trust,
        wire: Wire,
        joined: Callable[[Courier], None],
        limit: int = LIMIT,
        limit_bytes: int = LIMIT_BYTES,
    ) -> None:
        self._mapping, self._folder, self._keys = mapping, folder, keys
        self._trust, self._wire, self._joined = trust, wire, joined
        self._limit, self._limit_bytes = limit, limit_bytes
        self._found: dict[str, Speaker] = {}
        # Devices of former runs that nobody has spoken for yet: recorded and evicted.
        self.resting: dict[str, tuple[int, int]] = {}
        self._places = _read_places(folder / PLACES)

    def open(self) -> None:
        """Open those that are named outright, and those of former runs that hold messages."""
        named = {device: _topic(levels, device) for device, levels in self._mapping.devices.items()}
        for device, topic in named.items():
            self.of(topic, device)
        for device, topic in [one for one in self._places.items() if one[0] not in named]:
            if self._holds(device, topic):
                self.of(topic, device)

    def _holds(self, device: str, topic: MachineTopic) -> bool:
        held = self._keys.key(device)
        if held is None:
            return False
        box = self._opened(topic, *held)
        box.close()
        if not box.held:
            self.resting[device] = box.recorded, box.evicted
        return box.held > 0

    def __iter__(self) -> Iterator[Speaker]:
        return iter(self._found.values())

    def __len__(self) -> int:
        return len(self._found)

    def of(self, topic: MachineTopic, device: str) -> Speaker | None:
        """The device's speaker, made now if it has none; None where it has no key, or too many."""
        known = self._found.get(device)
        if known is not None:
            self._tell_if_it_stays(known, topic)
            return known
        named = device in self._mapping.devices
        if not named and len(self._found) >= self._mapping.devices_at_most:
            return None
        held = self._keys.key(device)
        if held is None:
            return None
        before = self._places.get(device, topic)
        box = self._opened(before, *held)
        if before != topic and not box.held:
            box.close()
            before, box = topic, self._opened(topic, *held)
        made = self._made(before, box)
        self._found[device] = made
        self.resting.pop(device, None)
        self._tell_if_it_stays(made, topic)
        return made

    def _tell_if_it_stays(self, speaker: Speaker, topic: MachineTopic) -> None:
        """Say once of a device that the mapping puts elsewhere by now."""
        if speaker.topic == topic or speaker.told:
            return
        speaker.told = True
        _log.warning(
            "device keeps its place",
            device=topic.machine,
            place=str(speaker.topic),
            then="its outbox held messages signed for it, or another rule named it first; restart "
            "once they are receipted",
        )

    def _opened(self, topic: MachineTopic, key: SigningKey, ended: Collection[str]) -> Outbox:
        return Outbox(
            topic.machine, key, topic, self._folder, ended=ended, limit=self._limit,
            limit_bytes=self._limit_bytes,
        )  # fmt: skip

    def _made(self, topic: MachineTopic, box: Outbox) -> Speaker:
        if self._places.get(topic.machine) != topic:
            self._places[topic.machine] = topic
            _write_places(self._folder / PLACES, self._places)
        placed = _Placed(topic)
        courier = Courier(placed, box, self._trust, self._wire, clock=time.monotonic)
        self._joined(courier)
        box.give_up(time.time_ns() // 1000, self._trust.cited)
        return Speaker(topic, box, courier)

    def record(self, speaker: Speaker, draft: Draft) -> Entry:
        """Sign a draft; a birth first where it brings metrics that no birth has said."""
        number = id(draft.speaks)
        if number not in speaker.rules:
            speaker.rules.add(number)
            self._bear(speaker, draft.speaks)
        return speaker.outbox.record(
            draft.kind,
            time=draft.time,
            readings=draft.readings,
            content=draft.content,
            anchor=self._trust.cited,
            source=draft.source,
        )

    def _bear(self, speaker: Speaker, speaks: Speaks) -> None:
        """Say what the device's readings are, as far as its rules are known by now."""
        new = self._mapping.metrics(speaks)
        if speaker.metrics and new.items() <= speaker.metrics.items():
            return
        speaker.metrics = new | speaker.metrics
        content = {
            "metrics": speaker.metrics,
            "kind": speaks.kind,
            "public_key": b64(speaker.outbox.public_key),
        }
        now = time.time_ns() // 1000
        speaker.outbox.record("birth", time=now, content=content, anchor=self._trust.cited)

    def close(self) -> None:
        """Make all durable and close the files."""
        for speaker in self._found.values():
            speaker.outbox.close()


def _topic(levels: tuple[str, ...], device: str) -> MachineTopic:
    enterprise, site, area, line = levels
    return MachineTopic("", enterprise, site, area, line, device, "telemetry")


@dataclass(frozen=True, slots=True)
class _Placed:
    topic: MachineTopic


def _read_places(file: Path) -> dict[str, MachineTopic]:
    try:
        said = json.loads(file.read_bytes())
        found = {device: MachineTopic.parse(topic) for device, topic in said.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError, TypeError) as error:
        raise OutboxDamaged(
            f"{file}: {error}; it says where the outboxes beside it belong"
        ) from error
    return {device: replace(topic, prefix="") for device, topic in found.items() if topic}


def _write_places(file: Path, places: dict[str, MachineTopic]) -> None:
    said = {device: str(topic) for device, topic in places.items()}
    Durable().replace(file, json.dumps(said, indent=1).encode())
