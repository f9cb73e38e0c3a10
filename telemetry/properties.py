"""The MQTT 5 properties of a message, and the text of those that are kept.

Kept is what neither bridge nor broker changes on the way (docs/formats.md, Properties). Pure.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from telemetry.canonical import b64, quote, unb64
from telemetry.errors import NotCanonical

_MAX_INDICATOR: Final = 0xFF


@dataclass(frozen=True, slots=True)
class Properties:
    """What a PUBLISH carried beside topic and payload; the last two are never kept."""

    payload_format_indicator: int = 0
    content_type: str | None = None
    response_topic: str | None = None
    correlation_data: bytes | None = None
    user_properties: tuple[tuple[str, str], ...] = ()
    message_expiry_interval: int | None = None
    subscription_identifiers: tuple[int, ...] = ()

    @property
    def weight(self) -> int:
        """About how many bytes they take: the length of what they say."""
        said = (self.content_type, self.response_topic, self.correlation_data)
        pairs = sum(len(name) + len(value) for name, value in self.user_properties)
        return pairs + sum(len(part) for part in said if part is not None)

    def to_text(self) -> str | None:
        """Spell the kept ones as canonical text; None where there is none."""
        members = self.kept_members()
        return f"{{{','.join(members)}}}" if members else None

    def kept_members(self) -> list[str]:
        """Spell each kept member, `"name":value`, in order."""
        members = []
        if self.payload_format_indicator:
            members.append(f'"payload_format_indicator":{self.payload_format_indicator:d}')
        if self.content_type is not None:
            members.append(f'"content_type":{quote(self.content_type)}')
        if self.response_topic is not None:
            members.append(f'"response_topic":{quote(self.response_topic)}')
        if self.correlation_data is not None:
            members.append(f'"correlation_data":"{b64(self.correlation_data)}"')
        if self.user_properties:
            pairs = (f"[{quote(name)},{quote(value)}]" for name, value in self.user_properties)
            members.append(f'"user_properties":[{",".join(pairs)}]')
        return members

    @staticmethod
    def from_text(text: str | None) -> "Properties":
        """Read canonical text, or None for no property; NotCanonical for anything else."""
        if text is None:
            return NO_PROPERTIES
        try:
            properties = _KEPT.decode(text).properties()
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise NotCanonical(f"not the text of properties: {error}") from None
        if properties.to_text() != text:
            raise NotCanonical("properties are not in their canonical spelling")
        return properties


NO_PROPERTIES: Final = Properties()


class KeptProperties(msgspec.Struct, forbid_unknown_fields=True):
    """The members of the canonical text, by type."""

    payload_format_indicator: int = 0
    content_type: str | None = None
    response_topic: str | None = None
    correlation_data: str | None = None
    user_properties: tuple[tuple[str, str], ...] = ()

    def properties(self) -> Properties:
        """Decode into the properties; NotCanonical for a false value."""
        # MQTT knows 0 and 1, but brokers deliver any: what came is kept as it came.
        if not 0 <= self.payload_format_indicator <= _MAX_INDICATOR:
            raise NotCanonical("payload format indicator is no byte")
        data = self.correlation_data
        return Properties(
            payload_format_indicator=self.payload_format_indicator,
            content_type=self.content_type,
            response_topic=self.response_topic,
            correlation_data=None if data is None else unb64(data),
            user_properties=self.user_properties,
        )


_KEPT: Final = msgspec.json.Decoder(KeptProperties)
