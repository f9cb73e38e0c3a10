"""What this program runs on."""

import platform
import sqlite3
import sys
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from typing import Final

from factoryledger.doctor.line import Line, bad, good

_EXTRAS: Final = {
    "evm": "web3",
    "tsa": "rfc3161_client",
    "parquet": "pyarrow",
    "plot": "matplotlib",
}
_OLDEST, _NEWEST = (3, 11), (3, 13)
_SQLITE: Final = (3, 35)


def check_versions() -> Iterator[Line]:
    """Python, SQLite, and the extras that are installed."""
    python = platform.python_version()
    if not _OLDEST <= sys.version_info[:2] <= _NEWEST:
        yield bad(
            "versions",
            f"Python {python} is not one that this was tested with",
            "use Python 3.11, 3.12 or 3.13",
        )
    if sqlite3.sqlite_version_info < _SQLITE:
        yield bad(
            "versions",
            f"SQLite {sqlite3.sqlite_version} is too old",
            "use a Python whose SQLite is 3.35 or later",
        )
    extras = [name for name, module in _EXTRAS.items() if find_spec(module)]
    yield good(
        "versions",
        f"factoryledger {version('factoryledger')}, Python {python}, SQLite "
        f"{sqlite3.sqlite_version}; extras: {', '.join(extras) or 'none'}",
    )
