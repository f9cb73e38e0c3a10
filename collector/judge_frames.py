"""What a collector and its judges say to each other, over two pipes.

A question is two frames, statements to apply first and messages to judge; an answer is one.
A frame is its length in four bytes, then MessagePack. Both ends are of one release and on one
machine: no version, no tolerance. Pure.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from collector.verdict import Verdict
from telemetry.keyring import KeyStatement

HEAD: Final = 4

Words = tuple[str, bytes, str | None]
"""A message as it came: topic, payload, the canonical text of its properties."""

_ENCODER: Final = msgspec.msgpack.Encoder()
_STATEMENTS: Final = msgspec.msgpack.Decoder(list[KeyStatement])
_MESSAGES: Final = msgspec.msgpack.Decoder(list[Words])
_VERDICTS: Final = msgspec.msgpack.Decoder(list[Verdict | None])


def frame(said: Sequence[KeyStatement] | Sequence[Words] | Sequence[Verdict | None]) -> bytes:
    """Encode with its length; UnicodeEncodeError where a topic is no Unicode."""
    data = _ENCODER.encode(said)
    return len(data).to_bytes(HEAD, "big") + data


def length(head: bytes) -> int:
    """Read how many bytes follow."""
    return int.from_bytes(head, "big")


def statements(data: bytes) -> list[KeyStatement]:
    """Decode what to apply."""
    return _STATEMENTS.decode(data)


def messages(data: bytes) -> list[Words]:
    """Decode what to judge."""
    return _MESSAGES.decode(data)


def verdicts(data: bytes) -> list[Verdict | None]:
    """Decode an answer: a verdict for each message, None where the judge failed on one."""
    return _VERDICTS.decode(data)
