"""This machine's clock, as far as the system says that it is kept. Edge: Linux's adjtimex."""

import ctypes
import sys
from collections.abc import Iterator
from typing import Final

from factoryledger.doctor.line import Line, good, warning

_UNSYNCHRONISED: Final = 5  # TIME_ERROR, adjtimex(2)


def check_clock() -> Iterator[Line]:
    """Whether something keeps the clock; no line where the system does not tell."""
    state = _state()
    if state is None:
        return
    if state == _UNSYNCHRONISED:
        yield warning(
            "clock",
            "nothing keeps it: times of messages and witnesses will drift apart",
            "run chrony or systemd-timesyncd; in a container that is the host's business",
        )
    else:
        yield good("clock", "the system says that it is kept")


def _state() -> int | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    # struct timex, all zero: modes 0 only asks. It has 208 bytes on 64-bit systems, 128 on others.
    state = int(adjtimex(ctypes.create_string_buffer(512)))
    return None if state < 0 else state
