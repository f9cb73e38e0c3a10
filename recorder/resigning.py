"""Signed messages of a recording signed anew, by keys for tests: same readings, new evidence.

A machine's messages get a new session, so that they are no second version of what they were,
and follow on as the old ones did. What is not spelled as our machines spell it stays. Pure.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from recorder.rebase import moved
from telemetry.canonical import b64
from telemetry.header import NAME, seal_header
from telemetry.properties import Properties
from telemetry.recording import Line
from telemetry.signature import SigningKey, body_hash, key_id, seal, split
from telemetry.sparkplug_topic import SIGNED_TYPES, SparkplugTopic
from telemetry.topic import SIGNED_KINDS, MachineTopic

KeyOf = Callable[[str], SigningKey]
"""The test key of a machine, by its name."""

_HASH: Final = rb'null|"[A-Za-z0-9+/=]{44}"'
_BODY: Final = re.compile(
    rb'\{"device":"([a-z0-9_-]{1,64})","session":"([a-z0-9_-]{1,64})","seq":(\d+),"prev":('
    + _HASH
    + rb')(,.*),"key":"[0-9a-f]{16}"',
    re.DOTALL,
)
_PUBLIC: Final = re.compile(rb'"public_key":"[A-Za-z0-9+/=]{44}"')
# Messages in flight may overtake each other, so `prev` may name one a little further back.
_KNOWN: Final = 256


class Resigner:
    """Signs one recording's messages, in order; `key_of` gives each machine's key."""

    def __init__(self, key_of: KeyOf) -> None:
        self._key_of = key_of
        self._hashes: dict[str, OrderedDict[bytes, bytes]] = {}

    def resigned(self, before: Line, after: Line, delta: int) -> Line:
        """Sign what was a signed message `before` and is `after` now, its times `delta` µs on.

        As it is where it was not signed, or where its topic is no machine's.
        """
        if split(before.payload) is not None:
            return self._payload(before, after, delta)
        return self._header(before, after, delta)

    def _payload(self, before: Line, after: Line, delta: int) -> Line:
        topic, was, now = MachineTopic.parse(after.topic), split(before.payload), after.payload
        cut = split(now)
        if topic is None or topic.kind not in SIGNED_KINDS or was is None or cut is None:
            return after
        body = self._body(was[0], cut[0], topic.machine, delta)
        if body is None:
            return after
        return replace(after, payload=seal(self._key_of(topic.machine), topic, body))

    def _header(self, before: Line, after: Line, delta: int) -> Line:
        topic = SparkplugTopic.parse(after.topic)
        was = header_of(before.properties)
        if topic is None or topic.type not in SIGNED_TYPES or was is None:
            return after
        body = self._body(was, moved(was, delta), topic.sender, delta)
        if body is None:
            return after
        value = seal_header(self._key_of(topic.sender), topic, body)
        pairs = after.properties.user_properties
        pairs = tuple((name, value if name == NAME else old) for name, old in pairs)
        return replace(after, properties=replace(after.properties, user_properties=pairs))

    def _body(self, was: bytes, now: bytes, device: str, delta: int) -> bytes | None:
        """Put device, session, `prev`, key and public key in place; None for another spelling."""
        match = _BODY.fullmatch(now)
        if match is None:
            return None
        key, known = self._key_of(device), self._hashes.setdefault(device, OrderedDict())
        prev, public = match[4], b64(key.public_key).encode("ascii")
        session = _session(match[2], delta)
        rest = _PUBLIC.sub(b'"public_key":"%b"' % public, match[5])
        body = b'{"device":"%b","session":"%b","seq":%b,"prev":%b%b,"key":"%b"' % (
            device.encode(),
            session,
            match[3],
            known.get(prev, prev),
            rest,
            key_id(key.public_key).encode("ascii"),
        )
        known[_named(was)] = _named(body)
        if len(known) > _KNOWN:
            known.popitem(last=False)
        return body


def unsigned_now(before: Line, after: Line) -> bool:
    """Whether a signature that was good before cannot be good after."""
    if after.payload == before.payload and after.topic == before.topic:
        return False
    if split(before.payload) is not None:
        place, other = MachineTopic.parse(before.topic), MachineTopic.parse(after.topic)
        if after.payload != before.payload:
            return True
        return place is not None and (other is None or other.unprefixed != place.unprefixed)
    if header_of(before.properties) is None:
        return False
    node, other_node = SparkplugTopic.parse(before.topic), SparkplugTopic.parse(after.topic)
    if node is None:
        return False
    changed = other_node is None or other_node.unprefixed != node.unprefixed
    return changed or after.payload != before.payload


def header_of(properties: Properties) -> bytes | None:
    """Give the body of a signed header; None where there is not exactly one."""
    values = [value for name, value in properties.user_properties if name == NAME]
    cut = split(values[0].encode()) if len(values) == 1 else None
    return None if cut is None else cut[0]


def _session(was: bytes, delta: int) -> bytes:
    text = b"factoryledger/again/%d/%b" % (delta, was)
    return hashlib.sha256(text).hexdigest()[:16].encode("ascii")


def _named(body: bytes) -> bytes:
    """A body as `prev` names it."""
    return b'"%b"' % b64(body_hash(body)).encode("ascii")
