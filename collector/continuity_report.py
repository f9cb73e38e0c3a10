"""Gaps and breaks as `stats` shows them, read from what the survey has kept down.

Edge. A store of an older release, which nobody has opened for writing since, has nothing kept
down: its gaps are found by reading all of its claims, its breaks by `audit` alone.
"""

from sqlalchemy import Connection, inspect

from collector.stats import Break, Gap

_GAPS = "SELECT device, session, first, last, since FROM gaps ORDER BY device, session, first"
_BREAKS = (
    "SELECT device, session, seq, kind, since, other_session, other_seq FROM breaks "
    "ORDER BY device, since, session, seq, kind"
)
_GAPS_OF_OLD = """
    SELECT device, session, before + 1, seq - 1 FROM (
        SELECT device, session, seq, lag(seq, 1, CAST(-1 AS BIGINT)) OVER (
            PARTITION BY device, session ORDER BY seq
        ) AS before
        FROM claims WHERE CAST(seq AS BIGINT) = seq
    ) AS found WHERE seq > before + 1 ORDER BY device, session, seq
"""


def gaps_and_breaks(connection: Connection) -> tuple[tuple[Gap, ...], tuple[Break, ...]]:
    """Give every gap and every break of a store."""
    if not inspect(connection).has_table("gaps"):
        return tuple(Gap(*row) for row in connection.exec_driver_sql(_GAPS_OF_OLD)), ()
    gaps = tuple(Gap(*row) for row in connection.exec_driver_sql(_GAPS))
    return gaps, tuple(Break(*row) for row in connection.exec_driver_sql(_BREAKS))
