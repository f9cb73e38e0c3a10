"""Says whom of a fleet the broker shuts out, once, and who is let in again. Edge: the log."""

from collections.abc import Sequence
from typing import Final

import structlog

from telemetry.outcasts import named

_THEN: Final = (
    "the others go on; its messages stay in its outbox, and it is tried again about every half a "
    "minute. Let it in by `factoryledger device enrol NAME` (a gateway: `device gateway`)"
)
_log = structlog.get_logger(__name__)


def tell_shut_out(names: Sequence[str], why: str) -> None:
    """Name them, and say what to do."""
    _log.warning("shut out by the broker", clients=named(list(names)), why=why, then=_THEN)


def tell_return(name: str) -> None:
    """It goes on where it stopped."""
    _log.info("let in again by the broker", client=name)
