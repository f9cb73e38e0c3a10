"""Cuts a stream of bytes into MQTT 5 packets. Pure.

The codec (mqtt5) says "not enough bytes" both for a packet that is still coming and for one
whose fields run over its own end; the framer tells the two apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import mqtt5

from telemetry.errors import TelemetryError

_HEADER_MOST = 5  # a type byte and a length of at most four bytes, section 2.1


class PacketBroken(TelemetryError):  # noqa: N818 - says what the packet is
    """Bytes that are no MQTT 5 packet, or one that breaks the protocol: the broker's fault."""


@dataclass(slots=True)
class Framer:
    """Cuts a stream of bytes into packets, however it is chopped.

    `limit` is the largest packet that we said we take; None is no limit but MQTT's own.
    """

    limit: int | None = None
    _kept: list[bytes] = field(default_factory=list)
    _missing: int = 0

    def packets(self, data: bytes) -> Iterator[tuple[mqtt5.Packet, int, int]]:
        """Give every whole packet, its first byte and its length in bytes.

        PacketBroken at the first that is none.
        """
        if self._kept:
            self._kept.append(data)
            self._missing -= len(data)
            # A large packet comes in many pieces: joined once, when all of it is there.
            if self._missing > 0:
                return
            data = b"".join(self._kept)
            self._kept.clear()
        view, read, limit = memoryview(data), mqtt5.read, self.limit
        start, end = 0, len(view)
        while start < end:
            try:
                packet, length = read(view[start:])
            except IndexError:
                self._keep(data[start:])
                return
            except (ValueError, OverflowError) as error:
                raise PacketBroken(f"no MQTT 5 packet: {error}") from error
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as panic:  # the codec panics on text that is not UTF-8
                raise PacketBroken("a packet whose text is not UTF-8") from panic
            if limit is not None:
                self._check(length)
            yield packet, view[start], length
            start += length

    def _keep(self, rest: bytes) -> None:
        """Keep the start of a packet; the codec says the same of one that is too short inside."""
        total = _total(rest)
        if total is not None:
            if len(rest) >= total:
                raise PacketBroken("a packet that ends before its fields do")
            self._check(total)
        self._kept.append(rest)
        self._missing = 1 if total is None else total - len(rest)

    def _check(self, length: int) -> None:
        if self.limit is not None and length > self.limit:
            raise PacketBroken(f"a packet of {length} bytes, we take {self.limit} (0x95)")


def _total(start: bytes) -> int | None:
    """How long the packet is that starts so; None while its length is not all there (1.5.5)."""
    length = 0
    for place, byte in enumerate(start[1:_HEADER_MOST]):
        length |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return length + place + 2
    return None
