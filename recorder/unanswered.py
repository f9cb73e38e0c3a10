"""Lines that were sent and wait for the broker's answer; what a lost connection took goes again.

In order, and so many at once that a bound on memory holds.
"""

import asyncio
from collections import deque
from typing import Final

from telemetry.errors import LinkLost, NotOffered, PacketTooLarge
from telemetry.link import Link
from telemetry.recording import Line

_MOST: Final = 1024  # lines in memory at once
_NO_SUBSCRIBER: Final = 0x10
_REFUSED: Final = 0x80


class Unanswered:
    """Sends lines over a link and counts their answers in `codes`; `name` is what errors name."""

    def __init__(self, link: Link, name: str) -> None:
        self.codes = {"acknowledged": 0, "unheard": 0, "refused": 0}
        self._link = link
        self._name = name
        self._epoch = link.epoch
        self._lines: deque[tuple[Line, asyncio.Future[int]]] = deque()

    def __len__(self) -> int:
        return len(self._lines)

    async def send(self, line: Line, number: int) -> None:
        """Send a line, once there is a connection, and room for one more.

        PacketTooLarge and NotOffered name the line of that number.
        """
        while not self._sent(line, number):
            await self._link.wait_connected()
        self._collect()
        while len(self._lines) >= _MOST:
            await self._settle()

    async def settle(self) -> None:
        """Wait until every line has its answer."""
        while self._lines:
            await self._settle()

    def _sent(self, line: Line, number: int) -> bool:
        if not self._link.connected:
            return False
        try:
            self._send_again()
            self._lines.append((line, self._post(line)))
        except LinkLost:
            return False
        except (PacketTooLarge, NotOffered) as error:
            raise type(error)(f"{self._name}, line {number}: {error}") from error
        return True

    async def _settle(self) -> None:
        """Wait for the oldest line's answer; what was lost with a connection goes again."""
        _, posted = self._lines[0]
        await asyncio.wait([posted])
        if posted.exception() is None:
            self._collect()
            return
        await self._link.wait_connected()
        try:
            self._send_again()
        except LinkLost:
            return

    def _collect(self) -> None:
        """Count the answers that are there, up to the oldest line that has none."""
        while self._lines and self._lines[0][1].done() and not self._lines[0][1].exception():
            line, posted = self._lines.popleft()
            if line.qos:
                code = posted.result()
                self.codes["refused" if code >= _REFUSED else "acknowledged"] += 1
                self.codes["unheard"] += code == _NO_SUBSCRIBER

    def _send_again(self) -> None:
        """Send what an earlier connection lost, in order, before anything else."""
        if self._epoch == self._link.epoch:
            return
        for place, (line, posted) in enumerate(self._lines):
            if posted.done() and posted.exception() is not None:
                self._lines[place] = (line, self._post(line))
        self._epoch = self._link.epoch

    def _post(self, line: Line) -> asyncio.Future[int]:
        return self._link.post(
            line.topic,
            line.payload,
            qos=line.qos,
            retain=line.retain,
            properties=line.properties,
        )
