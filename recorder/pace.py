"""When each line of a replay is due, and who may hold it up or move it: no clock in here. Pure.

Each has its moment after the start, whatever was late before it, so delays do not add up.
"""

import asyncio


class Pace:
    """Moments in seconds after the first line; a clock that went back waits for none."""

    def __init__(self, speed: float | None) -> None:
        """`speed` times as fast as recorded; None: everything at once."""
        self._speed = speed
        self._first: int | None = None
        self._latest = 0

    def due(self, received: int) -> float | None:
        """Give the moment of a line received then (µs); None for at once."""
        if self._speed is None:
            return None
        if self._first is None:
            self._first = self._latest = received
        self._latest = max(self._latest, received)
        return (self._latest - self._first) / 1e6 / self._speed

    def begin(self) -> None:
        """Take the next line for the first."""
        self._first = None


class Controls:
    """What may be done to a replay while it runs; of the event loop that runs it."""

    def __init__(self) -> None:
        self._running = asyncio.Event()
        self._running.set()
        self._paused_at = 0.0
        self._held = 0.0
        self._target: int | None = None
        self._sought = asyncio.Event()

    @property
    def sought(self) -> bool:
        """Whether it is to go on elsewhere, and has not yet."""
        return self._target is not None

    @property
    def paused(self) -> bool:
        """Whether it waits."""
        return not self._running.is_set()

    @property
    def held(self) -> float:
        """For how many seconds it has been held up so far, pauses that are over."""
        return self._held

    def pause(self, now: float) -> None:
        """Send nothing from now on (by the loop's clock); the rest is as much later."""
        if not self.paused:
            self._paused_at = now
            self._running.clear()

    def resume(self, now: float) -> None:
        """Go on."""
        if self.paused:
            self._held += now - self._paused_at
            self._running.set()

    async def wait(self) -> None:
        """Wait while it is paused."""
        await self._running.wait()

    async def wait_sought(self) -> None:
        """Wait until it is to go on elsewhere."""
        await self._sought.wait()

    def seek(self, us: int) -> None:
        """Go on with the first message that was received so many µs after the recording's first.

        At once, whatever it is waiting for; not after the recording's end.
        """
        self._target = us
        self._sought.set()

    def target(self) -> int | None:
        """Where to go on, once; None for where it is."""
        target, self._target = self._target, None
        self._sought.clear()
        return target
