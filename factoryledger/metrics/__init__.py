"""What watches the long-running commands: Prometheus metrics, and whether they are well.

Nothing of it is loaded unless it was asked for.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factoryledger.installation import Installation
    from factoryledger.metrics.spelling import Probe


def watched(
    command: str, place: "Installation", probe: "Callable[[], Probe]"
) -> AbstractAsyncContextManager[None]:
    """Serve a command's metrics for as long as it runs, where the settings say so.

    OSError where the address cannot be had.
    """
    if place.metrics is None:
        return nullcontext()
    from factoryledger.metrics.page import served  # noqa: PLC0415 - on demand

    return served(command, place.metrics, probe())
