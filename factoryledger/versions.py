"""What `--version` says: this release, and the version of each format that it reads and writes.

What each version is stands in `docs/formats.md`.
"""

from importlib.metadata import version
from typing import Final

FORMATS: Final = (
    ("message", "1", "Sparkplug B 3.0 under header 1"),
    ("receipt", "1", ""),
    ("record, recording", "1", ""),
    ("key entry", "1, 2, 3", ""),
    ("correction", "1", ""),
    ("command", "1", ""),
    ("proof", "1, 2, 3", ""),
    ("range proof", "1, 2", ""),
    ("evidence, evidence package", "1", ""),
    ("receipt of an EVM chain", "1", "OpenTimestamps 1, RFC 3161"),
    ("C2SP", "1", "signed-note, tlog-checkpoint, -tiles, -cosignature, -witness, -proof, -policy"),
)
"""What, its versions, and whose beside ours."""


def spelled() -> str:
    """Several lines; the first is the release alone."""
    from collector.schema import heads  # noqa: PLC0415 - Alembic is slow
    from telemetry.foreign import FORMATS as FOREIGN  # noqa: PLC0415 - on demand

    newest, known = heads()
    lines = [f"factoryledger {version('factoryledger')}", "reads and writes:"]
    for what, numbers, more in FORMATS:
        lines.append(f"  {what} {numbers}{f'; {more}' if more else ''}")
    lines.append(f"  store of schema {newest}, and those before: it brings forward {min(known)} on")
    lines.append(f"reads recordings of other programs: {', '.join(FOREIGN)}")
    return "\n".join(lines)
