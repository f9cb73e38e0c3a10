"""The primary host application: whether it is there, by its own word. Pure.

Source: Eclipse Sparkplug 3.0, section 5.3 (an edge node waits for it) and 5.8 (STATE).
"""

from telemetry.errors import MalformedPayload
from telemetry.sparkplug_topic import HostState


class PrimaryHost:
    """What is known of it; without a host's id it is always there."""

    def __init__(self, host: str | None) -> None:
        self.host = host
        self.online = host is None
        self._timestamp: int | None = None

    def forget(self) -> None:
        """A new connection: it has to be heard of again, on this one."""
        self.online = self.host is None

    def take(self, payload: bytes) -> None:
        """Take a STATE message; what is older than one before it, or no state, is passed over.

        The death of a connection that is over can come after the birth on a new one: by its
        older timestamp it is known.
        """
        try:
            state = HostState.from_bytes(payload)
        except MalformedPayload:
            return
        if self._timestamp is None or state.timestamp >= self._timestamp:
            self._timestamp = state.timestamp
            self.online = state.online
