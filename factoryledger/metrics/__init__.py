"""What watches the long-running commands: metrics, whether they are well, certificates' ends.

Nothing of it is loaded unless it was asked for.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factoryledger.installation import Installation
    from factoryledger.metrics.spelling import Probe


@asynccontextmanager
async def watched(
    command: str, place: "Installation", probe: "Callable[[], Probe]"
) -> AsyncIterator[None]:
    """Serve a command's metrics for as long as it runs, where the settings say so.

    OSError where the address cannot be had. Over TLS, certificates that end soon are warned of.
    """
    async with AsyncExitStack() as stack:
        if place.broker.tls:
            from factoryledger.shown_certificates import watching_ends  # noqa: PLC0415 - on demand

            await stack.enter_async_context(watching_ends())
        if place.metrics is not None:
            from factoryledger.metrics.page import served  # noqa: PLC0415 - on demand

            await stack.enter_async_context(served(command, place.metrics, probe()))
        yield
