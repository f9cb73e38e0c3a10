"""The session format of third parties: one line in, one message out.

An optional first object without `topic`, then objects with `topic`, `payload` (a string:
its UTF-8 bytes), `timestamp` (ISO 8601; without zone it is UTC), `qos`, `retain`. Pure.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from telemetry import strict_json
from telemetry.canonical import decoded, time_text
from telemetry.errors import NotCanonical
from telemetry.topic import check_name

# received in microseconds since the epoch, topic, payload, QoS, retain
SessionLine = tuple[int, str, bytes, int, bool]

_MEMBERS: Final = {"topic": str, "payload": str, "timestamp": str, "qos": int, "retain": bool}
_MAX_QOS: Final = 2
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def read_session(raw: bytes, *, first: bool) -> SessionLine | None:
    """Read one line; None for the first one's description. A ValueError says what is wrong."""
    members = strict_json.loads(decoded(raw), allow_nul=True)
    if not isinstance(members, dict):
        raise NotCanonical("not an object")
    if first and "topic" not in members:
        return None
    _check(members)
    check_name(members["topic"])
    received = _received(members["timestamp"])
    payload = members["payload"].encode()
    return received, members["topic"], payload, members["qos"], members["retain"]


def _check(members: dict[str, Any]) -> None:
    for name, kind in _MEMBERS.items():
        if name not in members:
            raise NotCanonical(f"{name} is missing")
        if type(members[name]) is not kind:
            raise NotCanonical(f"{name} is not of type {kind.__name__}")
    # What this does not know it could not keep: better an error than silently less.
    for name in members.keys() - _MEMBERS.keys():
        raise NotCanonical(f"{name[:40]!r} is no member of a message")
    if not 0 <= members["qos"] <= _MAX_QOS:
        raise NotCanonical(f"no QoS {members['qos']}")


def _received(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise NotCanonical(f"timestamp is not ISO 8601: {text[:40]!r}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    us = (moment - _EPOCH) // timedelta(microseconds=1)
    time_text(us)
    return us
