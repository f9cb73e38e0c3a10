"""The broker as a test sees it: its address, and topics of the test's own."""

import uuid
from dataclasses import dataclass
from typing import Any

import aiomqtt

from telemetry.address import Address


@dataclass(frozen=True, slots=True)
class Mosquitto:
    """`prefix` is of this test alone: tests share the broker and nothing else."""

    address: Address
    prefix: str

    @property
    def host(self) -> str:
        """Where it listens."""
        return self.address.host

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.address.port

    @property
    def url(self) -> str:
        """The same as `mqtt://HOST:PORT`."""
        return str(self.address)

    def topic(self, rest: str) -> str:
        """Give a topic, or a filter, under the prefix."""
        return f"{self.prefix}/{rest}"

    def client(self, **how: Any) -> aiomqtt.Client:
        """Give an aiomqtt client to enter with `async with`; `how` as for `aiomqtt.Client`."""
        identifier = f"test-{uuid.uuid4().hex[:12]}"
        chosen = {
            "hostname": self.host,
            "port": self.port,
            "identifier": identifier,
            "protocol": aiomqtt.ProtocolVersion.V5,
            **how,
        }
        return aiomqtt.Client(**chosen)
