"""What the demo shows while it runs: a live table on a terminal, else a line now and then."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from factoryledger.demo.progress import Progress
from factoryledger.running import say

_LINE_EVERY = 5.0


class Screen(Protocol):
    """Where the demo shows how it goes."""

    def show(self, progress: Progress, restarts: dict[str, int]) -> None:
        """Show one look."""

    def say(self, line: str) -> None:
        """Say something that stays."""


class _Lines:
    """Plain lines, for pipes and logs."""

    def __init__(self) -> None:
        self._next = 0.0

    def show(self, progress: Progress, restarts: dict[str, int]) -> None:
        """Write a line when the last one is long enough ago."""
        if progress.at < self._next:
            return
        self._next = progress.at + _LINE_EVERY
        started = ", ".join(f"{name} restarted {n}x" for name, n in restarts.items() if n)
        say(
            f"demo: {progress.stats.stored} stored, {progress.rate:.0f}/s, "
            f"{progress.anchored} anchored, log size {progress.published}"
            + (f", {started}" if started else "")
        )

    def say(self, line: str) -> None:
        """Write the line."""
        say(f"demo: {line}")


class _LiveTable:
    """One table that is drawn over and over, and lines above it."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._live = Live(console=Console(stderr=True), refresh_per_second=4)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def show(self, progress: Progress, restarts: dict[str, int]) -> None:
        """Draw the table."""
        self._live.update(table(self._title, progress, restarts, time.time()))

    def say(self, line: str) -> None:
        """Write the line above the table."""
        self._live.console.print(line, highlight=False, markup=False)


def table(title: str, progress: Progress, restarts: dict[str, int], now: float) -> Table:
    """Give the live table of one look; `now` in seconds since the epoch."""
    stats = progress.stats
    drawn = Table(title=title, show_header=False)
    drawn.add_column(style="bold")
    drawn.add_column(justify="right")
    drawn.add_row("messages a second", f"{progress.rate:.1f}")
    drawn.add_row("stored", str(stats.stored))
    drawn.add_row("duplicates absorbed", str(stats.duplicates))
    drawn.add_row("batches", str(stats.batches))
    drawn.add_row("anchored", str(progress.anchored))
    drawn.add_row("anchor log's size", str(progress.published))
    if progress.published_at is not None:
        age = max(0.0, now - progress.published_at / 1_000_000)
        drawn.add_row("last checkpoint", f"{age:.1f} s ago")
    for name, count in restarts.items():
        if count:
            drawn.add_row(f"{name} started again", str(count))
    return drawn


@contextmanager
def open_screen(title: str) -> Iterator[Screen]:
    """Give the screen that fits: a table where someone looks on, else lines."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    with _LiveTable(title) as live:
        yield live
