"""The errors of the ground, by what the reader can do about them.

Malformed input, a weak key and a lost broker are different types under one root.
"""


class TelemetryError(Exception):
    """Root of every error that `telemetry` raises."""


class NotCanonical(TelemetryError, ValueError):  # noqa: N818 - says what the value is
    """A value or its spelling is not the one that the writer would write."""


class NotStrictJson(TelemetryError, ValueError):  # noqa: N818 - says what the text is
    """A text is not JSON, or JSON that two readers could take for two different values."""


class MalformedMessage(TelemetryError, ValueError):  # noqa: N818 - says what the message is
    """A payload fails the strict parse, or what is to be composed could not pass it."""


class MalformedPayload(TelemetryError, ValueError):  # noqa: N818 - says what the payload is
    """Bytes that are no Sparkplug payload, or say what none may say."""


class MalformedRecording(TelemetryError, ValueError):  # noqa: N818 - says what the file is
    """A line of a recording that no reader can take: `file`, `line` (from 1), `reason`."""

    def __init__(self, file: str, line: int, reason: str) -> None:
        super().__init__(file, line, reason)
        self.file = file
        self.line = line
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.reason}"


class NotKept(TelemetryError, ValueError):  # noqa: N818 - says what became of it
    """Something of a message that another format has no place for: says what."""


class NotInstalled(TelemetryError):  # noqa: N818 - says what is missing
    """A library that only some need is not there: says which, and how to get it."""


class WeakKey(TelemetryError, ValueError):  # noqa: N818 - says what the key is
    """A public key of small order, or not the canonical encoding of a point."""


class ContradictoryStatement(TelemetryError, ValueError):  # noqa: N818 - says what it is
    """A key statement that contradicts what the keyring already holds."""


class BrokerUnavailable(TelemetryError):  # noqa: N818 - says what the broker is
    """No broker answered, or it refused the connection: names the address and what to try."""


class ShutOut(BrokerUnavailable):
    """The broker will not have this one client, whatever it lets others do: says why."""


class LinkLost(TelemetryError):  # noqa: N818 - says what happened to the link
    """The connection went before the broker answered for what was sent."""


class SessionTakenOver(LinkLost):
    """Another client with our client id took the session: two of us run at once."""


class PacketTooLarge(TelemetryError, ValueError):  # noqa: N818 - says what the packet is
    """A message over the largest packet that the broker takes; nothing of it was sent."""


class NotOffered(TelemetryError, ValueError):  # noqa: N818 - says what the service is
    """A message needs a QoS or retaining, which the broker says it does not offer."""
