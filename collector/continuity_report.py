"""Gaps and breaks as `stats` shows them, read from what the survey has kept down.

Edge. A store of an older release, which nobody has opened for writing since, has nothing kept
down: its gaps are found by reading all of its claims, its breaks by `audit` alone.
"""

from sqlalchemy import Connection, inspect

from collector.stats import Break, Gap, Standing

_GAPS = "SELECT device, session, first, last, since FROM gaps ORDER BY device, session, first"
_BREAKS = (
    "SELECT device, session, seq, kind, since, other_session, other_seq FROM breaks "
    "ORDER BY device, since, session, seq, kind"
)
# By no integer: one gap may be of all numbers that there are.
_STANDING = """
    SELECT (SELECT count(*) FROM gaps),
        (SELECT coalesce(sum(1.0 * last - first + 1), 0) FROM gaps),
        (SELECT count(*) FROM breaks WHERE kind = 'fork')
"""
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


def standing(connection: Connection) -> Standing:
    """Count them: what is kept down is read, and no message."""
    gaps, missing, forks = connection.exec_driver_sql(_STANDING).one()
    return Standing(gaps, int(missing), forks)
