"""Topic filters with names for levels, and how filters lie to each other (MQTT 5, 4.7). Pure."""

import re
from collections.abc import Iterable
from typing import Final

CAPTURE: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}")


def plain_filter(pattern: str) -> str:
    """The filter that a broker understands: `+` for every level that has a name."""
    return "/".join("+" if CAPTURE.fullmatch(one) else one for one in pattern.split("/"))


def check_filter(pattern: str) -> None:
    """ValueError where it is no topic filter with names."""
    levels = pattern.split("/")
    if not pattern or "\0" in pattern:
        raise ValueError("a topic filter has at least one character, and no U+0000")
    for place, level in enumerate(levels):
        if "#" in level and (level != "#" or place != len(levels) - 1):
            raise ValueError("# stands alone, as the last level")
        if "+" in level and level != "+":
            raise ValueError("+ stands alone in its level")
        if ("{" in level or "}" in level) and not CAPTURE.fullmatch(level):
            raise ValueError("a name stands alone in its level: {name}, of a-z, 0-9 and _")
    found = names(pattern)
    if len(set(found)) != len(found):
        raise ValueError("each name is there once")
    if levels[0].startswith("$share"):
        raise ValueError("a shared subscription would let others take what this gateway is to sign")


def names(pattern: str) -> list[str]:
    """The names of its levels, in order."""
    return [found[1] for one in pattern.split("/") if (found := CAPTURE.fullmatch(one))]


def captures(pattern: str, topic: str) -> dict[str, str]:
    """What stands in a topic's named levels; the topic matches."""
    pairs = zip(pattern.split("/"), topic.split("/"), strict=False)
    return {found[1]: level for one, level in pairs if (found := CAPTURE.fullmatch(one))}


def overlap(one: str, other: str) -> bool:
    """Whether some topic matches both filters."""
    return _overlap(one.split("/"), other.split("/"), first=True)


def _overlap(one: list[str], other: list[str], *, first: bool = False) -> bool:
    if not one and not other:
        return True
    heads = {part[0] if part else "" for part in (one, other)}
    if first and any(head.startswith("$") for head in heads) and heads & {"+", "#"}:
        return False  # wildcards in first place match no topic that begins with $
    # `a/#` matches `a`, too.
    if (one and one[0] == "#") or (other and other[0] == "#"):
        return True
    if not one or not other:
        return False
    return (one[0] == other[0] or "+" in {one[0], other[0]}) and _overlap(one[1:], other[1:])


def joined(one: str, other: str) -> str:
    """The narrowest filter that matches all that either does."""
    found: list[str] = []
    left, right = one.split("/"), other.split("/")
    for a, b in zip(left, right, strict=False):
        if "#" in {a, b}:
            return "/".join([*found, "#"])
        found.append(a if a == b else "+")
    if len(left) == len(right):
        return "/".join(found)
    return "/".join([*found, "#"])


def apart(patterns: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Filters with their QoS, joined where they overlap: a broker may send a message for each.

    In the order given; no topic matches two of them, and each one given is within one of them.
    """
    found: list[tuple[str, int]] = []
    for pattern, qos in patterns:
        while near := next((one for one in found if overlap(one[0], pattern)), None):
            found.remove(near)
            pattern, qos = joined(near[0], pattern), max(near[1], qos)  # noqa: PLW2901
        found.append((pattern, qos))
    return found
