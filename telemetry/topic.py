"""Topics and topic filters: ISA-95 levels, the ledger's own topics, MQTT's matching.

A machine's topic is its last six levels, whatever stands before them. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from telemetry.canonical import is_segment
from telemetry.errors import NotCanonical

KINDS: Final = ("telemetry", "birth", "state", "death", "event", "receipt")
SIGNED_KINDS: Final = ("telemetry", "birth", "state", "event")

_LEVELS: Final = 6
# The ledger's own topics end so, or hold this.
_RECEIPT: Final = "receipt"
_LEDGER: Final = "ledger/"
_MAX_LENGTH: Final = 65_535
# Longer topics are parsed each time, so that strangers cannot fill memory with them.
_CACHED_LENGTH: Final = 512


@dataclass(frozen=True, slots=True)
class MachineTopic:
    """`[<prefix>/]<enterprise>/<site>/<area>/<line>/<machine>/<kind>`.

    `prefix` is without its last slash; only one that ends in an empty level keeps it, so
    that every topic parses to exactly one value and back.
    """

    prefix: str
    enterprise: str
    site: str
    area: str
    line: str
    machine: str
    kind: str

    @staticmethod
    def parse(topic: str) -> "MachineTopic | None":
        """Read a topic; None where it is not a machine's."""
        if len(topic) > _CACHED_LENGTH:
            return _parse(topic)
        return _parse_cached(topic)

    def __str__(self) -> str:
        return under(self.prefix, self.unprefixed)

    @property
    def unprefixed(self) -> str:
        """The last six levels: what signatures cover."""
        return f"{self.enterprise}/{self.site}/{self.area}/{self.line}/{self.machine}/{self.kind}"

    def with_kind(self, kind: str) -> "MachineTopic":
        """Give the same machine's topic of another kind; ValueError for no kind."""
        if kind not in KINDS:
            raise ValueError(f"no kind of topic: {kind!r}; one of {', '.join(KINDS)}")
        return replace(self, kind=kind)


def check_name(topic: str) -> None:
    """Refuse with NotCanonical what no message can be published on (MQTT 5, section 4.7)."""
    if not topic or len(topic) > _MAX_LENGTH or len(topic.encode(errors="replace")) > _MAX_LENGTH:
        raise NotCanonical(f"a topic has 1 to {_MAX_LENGTH} bytes")
    if "+" in topic or "#" in topic or "\0" in topic:
        raise NotCanonical(f"a topic holds no wildcard and no U+0000: {topic[:40]!r}")


def any_own(topics: Iterable[str]) -> bool:
    """Whether `is_own` of one of these may be true; quicker by far than asking for each."""
    joined = "\n".join(topics)
    return _RECEIPT in joined or _LEDGER in joined


def is_own(topic: str) -> bool:
    """Whether the topic is one that the ledger itself writes, which no collector stores."""
    if not topic.endswith(_RECEIPT) and _LEDGER not in topic:
        return False
    levels = topic.rsplit("/", 3)
    if levels[-2:] == ["ledger", "checkpoint"]:
        return True
    if levels[-3:-1] in (["ledger", "collector"], ["ledger", "receipt"]):
        return is_segment(levels[-1])
    if levels[-1] != "receipt":
        return False
    return MachineTopic.parse(topic) is not None


def matches(pattern: str, topic: str) -> bool:
    """Whether a topic filter matches a topic (MQTT 5, section 4.7).

    A leading `$share/<group>/` is stripped; wildcards in first place match no `$` topic.
    """
    if pattern.startswith("$share/"):
        pattern = pattern.split("/", 2)[-1]
    wanted = pattern.split("/")
    levels = topic.split("/")
    if topic.startswith("$") and wanted[0] in {"+", "#"}:
        return False
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place == len(levels) or level not in {"+", levels[place]}:
            return False
    return len(wanted) == len(levels)


def factory_filters(prefix: str = "") -> list[str]:
    """Give the filters of the factory's own topics: all kinds that machines publish."""
    return [under(prefix, "+/" * (_LEVELS - 1) + kind) for kind in KINDS if kind != "receipt"]


def shared(pattern: str, group: str) -> str:
    """Give the filter under which a group shares a topic filter (MQTT 5, section 4.8.2).

    As it is where there is no group, and where it names one already.
    """
    return f"$share/{group}/{pattern}" if group and not pattern.startswith("$share/") else pattern


def checkpoint_topic(prefix: str) -> str:
    """Give the retained topic of the newest cosigned checkpoint."""
    return under(prefix, "ledger/checkpoint")


def collector_topic(prefix: str, collector: str) -> str:
    """Give the retained topic of a collector's key entry."""
    return under(prefix, f"ledger/collector/{collector}")


def under(prefix: str, rest: str) -> str:
    """Put a prefix in front of a topic's last levels."""
    return prefix + rest if not prefix or prefix.endswith("/") else f"{prefix}/{rest}"


def _parse(topic: str) -> MachineTopic | None:
    *before, enterprise, site, area, line, machine, kind = ["?"] * _LEVELS + topic.split("/")
    levels = (enterprise, site, area, line, machine, kind)
    if kind not in KINDS or not all(map(is_segment, levels)):
        return None
    return MachineTopic(prefix_of(before[_LEVELS:]), *levels)


def prefix_of(levels: list[str]) -> str:
    """Give the prefix of which these are the levels."""
    joined = "/".join(levels)
    # An empty last level is no prefix's end: keep its slash, or "/a/b" would read as "a/b".
    return f"{joined}/" if levels and not levels[-1] else joined


_parse_cached = lru_cache(maxsize=4096)(_parse)
