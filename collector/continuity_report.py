"""Gaps and breaks as `stats` shows them, read from what the survey has kept down.

Edge. A store of an older release, which nobody has opened for writing since, has nothing kept
down: its gaps are found by reading all of its claims, its breaks by `audit` alone.
"""

from sqlalchemy import Connection, inspect

from collector.stats import Break, Gap, Standing

_GAPS = "SELECT device, session, first, last, since FROM gaps ORDER BY device, session, first"
# What is there of them after all: gaps first, each a search in the claims' index.
_FILLED = """
    SELECT g.device, g.session, g.first, g.last, g.since, c.seq
    FROM gaps AS g CROSS JOIN claims AS c
    WHERE c.device = g.device AND c.session = g.session AND c.seq BETWEEN g.first AND g.last
    ORDER BY g.device, g.session, g.first, c.seq LIMIT 100000
"""
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
    late = filled(connection)
    kept = (Gap(*row) for row in connection.exec_driver_sql(_GAPS))
    gaps = tuple(part for gap in kept for part in gap.without(late.get(gap, ())))
    return gaps, tuple(Break(*row) for row in connection.exec_driver_sql(_BREAKS))


def filled(connection: Connection) -> dict[Gap, list[int]]:
    """Give the gaps as they are kept down that are none any more, with the numbers that are there.

    Several collectors share a store: one keeps down that a number is missing, another commits
    it at the same moment, or as the next of those that it has, which it has no reason to look at.
    """
    found = dict[Gap, list[int]]()
    for *gap, seq in connection.exec_driver_sql(_FILLED):
        found.setdefault(Gap(*gap), []).append(seq)
    return found


def standing(connection: Connection) -> Standing:
    """Count them: what is kept down is read, and no message."""
    gaps, missing, forks = connection.exec_driver_sql(_STANDING).one()
    return Standing(gaps, int(missing), forks)
