"""How long the collector goes on trying where the store does not take or tell something.

A failure that passes by itself (a lock, a full disk, a server that restarts) is waited out,
for ever if need be; one that would come again whatever is done ends it. Whoever wants the
process to stop loses the patience for it.
"""

import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError

from collector.errors import CommitFailed

_log = structlog.get_logger(__name__)

Result = TypeVar("Result")

Failure = DBAPIError | OSError

# SQLite's primary result codes: a lock, memory, an interruption, a disk, a folder, a race.
_PASSING_CODES: Final = frozenset({5, 6, 7, 8, 9, 10, 13, 14, 15})
# PostgreSQL's classes of SQLSTATE: connection, rollback (deadlock), resources (disk, memory,
# connections), operator intervention (shutdown, cancel), system (I/O error).
_PASSING_CLASSES: Final = frozenset({"08", "40", "53", "57", "58"})
# A lock that was not to be had; a server that is a standby for the moment.
_PASSING_STATES: Final = frozenset({"55P03", "25006"})


class Patience:
    """Waits between tries, each time longer; `lose` it from any thread.

    `attempts` bounds the tries, for callers who would rather fail; `pause` differs in tests:
    it waits so many seconds and says whether the patience was lost meanwhile.
    """

    def __init__(
        self,
        *,
        attempts: int | None = None,
        first: float = 0.05,
        longest: float = 5.0,
        pause: Callable[[float], bool] | None = None,
    ) -> None:
        self._attempts = attempts
        self._first = first
        self._longest = longest
        self._lost = threading.Event()
        self._pause = pause or self._lost.wait

    def lose(self) -> None:
        """Let whoever waits fail at the next failure, and no longer wait."""
        self._lost.set()

    def wait(self, attempt: int, failure: Failure) -> bool:
        """Wait before trying again after try number `attempt`; False if that is the end."""
        spent = self._attempts is not None and attempt >= self._attempts
        if not is_passing(failure) or spent or self._lost.is_set():
            return False
        _log.warning(
            "the store does not answer, trying again", attempt=attempt, error=said(failure)
        )
        # Far tries all wait the longest; 2 ** attempt alone would outgrow a float.
        return not self._pause(min(self._first * 2 ** min(attempt - 1, 30), self._longest))

    def surely(self, step: Callable[[], Result], *, again: Callable[[], None], what: str) -> Result:
        """Do a step that changes nothing, as often as it takes; CommitFailed at the end.

        `again` is called before each further try.
        """
        attempt = 1
        while True:
            try:
                return step()
            except (DBAPIError, OSError) as failure:
                if not self.wait(attempt, failure):
                    raise CommitFailed(f"{what}: {said(failure)}") from failure
            attempt += 1
            again()


def is_passing(failure: Failure) -> bool:
    """Whether waiting can help."""
    if isinstance(failure, OSError):
        return True
    original: Any = failure.orig
    code = getattr(original, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _PASSING_CODES
    state = getattr(original, "sqlstate", None)
    if state is not None:
        return state[:2] in _PASSING_CLASSES or state in _PASSING_STATES
    # Without a code: the connection itself, in both drivers' names for it.
    names = {kind.__name__ for kind in type(original).__mro__}
    return bool(names & {"OperationalError", "InterfaceError"})


def said(failure: Failure) -> str:
    """Give what the database said, on one line."""
    return " ".join(str(failure.orig if isinstance(failure, DBAPIError) else failure).split())
