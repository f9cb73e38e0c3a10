"""`readings.csv`: every reading that the package proves, a line each (docs/formats.md). Pure.

A metric's name is a machine's word, and may be anything: what a terminal or a spreadsheet would
obey is spelled out, so that a row is always one line and no cell is ever a formula.
"""

import re
from typing import Final

from dossier.machine import Value
from telemetry.canonical import plain, time_text

COLUMNS: Final = (
    "device",
    "time",
    "metric",
    "value",
    "unit",
    "collector",
    "position",
    "session",
    "seq",
    "status",
    "correction",
)
HEADER: Final = f"{','.join(COLUMNS)}\n".encode()
_FORMULA: Final = re.compile(r"(?:^|;)[\s'\"]*(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
"""What a spreadsheet would obey, also one that divides cells by semicolons or reads wide signs."""
_MARKS: Final = frozenset(',"')


def row(device: str, value: Value) -> bytes:
    """One line; the value as the shortest number that reads as the same float."""
    message = value.message
    cells = (
        device,
        time_text(value.time),
        cell(value.metric),
        repr(value.value),
        cell(value.unit),
        message.collector,
        str(message.position),
        message.session,
        str(message.seq),
        "accepted",
        cell(value.correction),
    )
    return f"{','.join(cells)}\n".encode()


def cell(text: str) -> str:
    """A text as a cell: printable, no formula, quoted where it has a comma or a quote."""
    said = plain(text)
    said = _FORMULA.sub(r"\g<0>'", said)
    if _MARKS.isdisjoint(said):
        return said
    return '"' + said.replace('"', '""') + '"'
