"""A bar on stderr that shows how far a long command is; on a terminal only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[int, int | None], None]
"""Called with how much is done and how much there is, None where nobody knows."""


@contextmanager
def bar(what: str) -> Iterator[Advance]:
    """Give what moves the bar; nothing is written where nobody looks at a terminal."""
    from rich.console import Console  # noqa: PLC0415 - on demand
    from rich.progress import (  # noqa: PLC0415 - on demand
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )

    class RateColumn(ProgressColumn):
        """How much is done a second."""

        def render(self, task: Task) -> str:
            """Spell the rate, once there is one."""
            return f"{task.speed:,.0f}/s" if task.speed else ""

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
    )
    shown = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
    with shown:
        task = shown.add_task(what, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
