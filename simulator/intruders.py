"""Whoever attacks a simulated fleet: one client of its own that publishes in machines' names.

The edge to the link. A broker that lets a client publish only under its own name refuses it,
as it should; then there is nothing to see but the refusal.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from types import TracebackType
from typing import Self

from simulator.faults.fault import Publication
from simulator.wire import Wire
from telemetry.errors import LinkLost
from telemetry.link import Link


class Intruders:
    """Connects while `async with` lasts; `published` and `refused` count its messages."""

    def __init__(self, wire: Wire) -> None:
        self._prefix = wire.prefix
        self.published = 0
        self.refused = 0
        who = wire.who("intruder")
        self._link = Link(
            wire.address,
            client_id=wire.client_id("intruder"),
            username=who.username,
            password=who.password,
            tls=who.tls,
            clean_start=True,
        )

    async def __aenter__(self) -> Self:
        await self._link.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._link.__aexit__(kind, error, traceback)

    def publish(self, publications: Iterable[Publication]) -> None:
        """Publish these, once; an attacker without a connection gives up."""
        for topic, payload in publications:
            try:
                posted = self._link.post(str(replace(topic, prefix=self._prefix)), payload, qos=1)
            except LinkLost:
                self.refused += 1
                continue
            posted.add_done_callback(self._answered)

    def _answered(self, future: "asyncio.Future[int]") -> None:
        good = not future.cancelled() and future.exception() is None and future.result() < 0x80  # noqa: PLR2004 - MQTT 5 section 2.4
        self.published += good
        self.refused += not good
