"""From an exception to an exit code and one sentence: the only place that knows both.

0 good; 1 checked and found false; 2 wrong usage or unreadable input; 3 something it needs
is not there. 70 (as in sysexits.h) is a fault of this program, never of what it read.
"""

import os
import sys
from collections.abc import Iterator
from enum import IntEnum

from factoryledger.errors import FoundFalse, NotThere, WrongUsage
from factoryledger.next_steps import NEXT_STEPS
from telemetry.canonical import plain


class Exit(IntEnum):
    """Exit codes of the command."""

    GOOD = 0
    FALSE = 1
    USAGE = 2
    MISSING = 3
    FAULT = 70
    INTERRUPTED = 130


def exit_for(error: BaseException) -> tuple[Exit, str]:
    """Give the exit code of an error and the sentence that goes with it."""
    for kind, code in _table():
        if isinstance(error, kind):
            return code, _sentence(error)
    if _is_operational(error):
        return Exit.MISSING, (
            f"a database in the data folder cannot be read or written: {_sentence(error)}; is its "
            "disk full, or broken?"
        )
    if isinstance(error, ExceptionGroup):
        return exit_for(error.exceptions[0])
    name = type(error).__name__
    return Exit.FAULT, (
        f"unexpected {name}: {_sentence(error)} (a fault of factoryledger: run it again with "
        "FACTORYLEDGER_TRACEBACK=1 and report what it prints)"
    )


def _table() -> Iterator[tuple[type[BaseException], Exit]]:
    """Every kind of error and its code, the more special first."""
    # Imported only once something failed: a command that succeeds pays for none of them.
    from anchor import errors as anchor  # noqa: PLC0415
    from collector import errors as collector  # noqa: PLC0415
    from dossier import errors as dossier  # noqa: PLC0415
    from gateway import errors as gateway  # noqa: PLC0415
    from simulator import errors as simulator  # noqa: PLC0415
    from telemetry import errors as telemetry  # noqa: PLC0415

    yield FoundFalse, Exit.FALSE
    yield WrongUsage, Exit.USAGE
    yield NotThere, Exit.MISSING
    yield KeyboardInterrupt, Exit.INTERRUPTED
    yield MemoryError, Exit.MISSING
    yield telemetry.BrokerUnavailable, Exit.MISSING
    yield telemetry.LinkLost, Exit.MISSING
    yield telemetry.NotInstalled, Exit.MISSING
    yield telemetry.TelemetryError, Exit.USAGE
    yield anchor.Refused, Exit.FALSE
    yield anchor.Diverged, Exit.FALSE
    yield anchor.Malformed, Exit.USAGE
    yield anchor.AnchorError, Exit.MISSING
    yield dossier.Untrue, Exit.FALSE
    yield dossier.NothingThere, Exit.MISSING
    yield dossier.DossierError, Exit.USAGE
    yield collector.LogInDoubt, Exit.FALSE
    yield collector.StoreDisguised, Exit.FALSE
    yield collector.CollectorError, Exit.MISSING
    yield simulator.BadScenario, Exit.USAGE
    yield simulator.OutboxDamaged, Exit.FALSE
    yield simulator.SimulatorError, Exit.MISSING
    yield gateway.BadMapping, Exit.USAGE
    yield gateway.GatewayError, Exit.MISSING
    yield FileNotFoundError, Exit.USAGE
    yield IsADirectoryError, Exit.USAGE
    yield NotADirectoryError, Exit.USAGE
    yield FileExistsError, Exit.USAGE
    yield PermissionError, Exit.USAGE
    yield OSError, Exit.MISSING


def _is_operational(error: BaseException) -> bool:
    """Whether it is SQLAlchemy's word for a database that does not work, whoever's fault it is."""
    # Looked up, not imported: who has not opened a database does not pay for it.
    known = sys.modules.get("sqlalchemy.exc")
    return known is not None and isinstance(error, known.OperationalError)


def _sentence(error: BaseException) -> str:
    """Give the error's message on one line; for the system's errors, with the file's name."""
    if _is_operational(error):
        error = getattr(error, "orig", None) or error
    if isinstance(error, MemoryError):
        return "there is not enough memory for what it was given to read"
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}{_next_step(error.errno, error.strerror)}"
    return plain(" ".join(str(error).split())) or type(error).__name__


def _next_step(number: int | None, said: str) -> str:
    """What to try, where the error is the system's and in its words.

    TLS and name resolution have numbers of their own; where we raise one, it says itself.
    """
    if number is None or said != os.strerror(number) or number not in NEXT_STEPS:
        return ""
    return f"; {NEXT_STEPS[number]}"
