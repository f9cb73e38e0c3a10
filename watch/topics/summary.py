"""A message in a few words: what stands in its topic's row. Pure."""

from typing import Any, Final

import msgspec

from watch.line import preview, visible
from watch.topics.node import Kept
from watch.topics.structure import Births, json_of, numbers, sparkplug_of

_NAMED: Final = 6  # readings in a row


def summary(topic: str, kept: Kept, births: Births) -> str:
    """Say in one line what a message says: readings, a state, an event, or its start."""
    payload = kept.payload
    if not payload:
        return "(empty)"
    if sparkplug_of(topic) is not None:
        found = numbers(topic, kept, births)
        return _readings(found) if found else f"Sparkplug, {kept.size} B"
    if payload[:1] == b"{" and kept.whole:
        said = _said(json_of(payload))
        if said:
            return visible(said)
    return preview(payload)


def _said(value: Any) -> str:
    """What a machine's own message says; nothing for any other JSON."""
    if not isinstance(value, dict):
        return ""
    scans = value.get("scans")
    newest = scans[-1] if isinstance(scans, list) and scans else value
    readings = newest.get("readings") if isinstance(newest, dict) else None
    if isinstance(readings, dict) and readings:
        return _readings(readings)
    for member in ("state", "event"):
        named = value.get(member)
        if isinstance(named, dict) and isinstance(named.get("name"), str):
            return str(named["name"])
    birth = value.get("birth")
    metrics = birth.get("metrics") if isinstance(birth, dict) else None
    return f"{len(metrics)} metrics" if isinstance(metrics, dict) else ""


def _readings(found: dict[str, Any]) -> str:
    named = list(found.items())[:_NAMED]
    more = f" +{len(found) - _NAMED}" if len(found) > _NAMED else ""
    return visible("  ".join(f"{name} {_number(value)}" for name, value in named) + more)


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)[:40] if not isinstance(value, msgspec.Raw) else "?"
