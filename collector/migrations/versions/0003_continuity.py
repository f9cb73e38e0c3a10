"""What is missing, where sessions start, and what does not follow on (docs/formats.md, Store).

All of it follows from the messages: `collector.survey` writes it, and looks again after a crash.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_GAPS = """
    INSERT INTO gaps (device, session, first, last, since)
    SELECT g.device, g.session, g.before + 1, g.seq - 1, m.received_at FROM (
        SELECT device, session, seq, collector, position, lag(seq, 1, CAST(-1 AS BIGINT)) OVER (
            PARTITION BY device, session ORDER BY seq
        ) AS before
        FROM claims WHERE CAST(seq AS BIGINT) = seq
    ) AS g JOIN messages AS m ON m.collector = g.collector AND m.position = g.position
    WHERE g.seq > g.before + 1
"""
_SURVEYED = """
    INSERT INTO counters (collector, name, value)
    SELECT collector, 'surveyed', max(start + size) FROM batches GROUP BY collector
"""


def _key(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False, nullable=False)


def _filled(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def upgrade() -> None:
    """Make the tables; what an older release has stored shows its gaps at once."""
    big, data = sa.BigInteger(), sa.LargeBinary()
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "gaps",
        _key("device", text),
        _key("session", text),
        _key("first", big),
        _filled("last", big),
        _filled("since", big),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sessions",
        _key("device", text),
        _key("session", text),
        _filled("started", sa.Integer()),
        sa.Column("prev", data),
        sa.Column("after_session", text),
        sa.Column("after_seq", big),
        _filled("since", big),
        sqlite_with_rowid=False,
    )
    loose = sa.text("prev IS NOT NULL AND after_session IS NULL")
    op.create_index(
        "sessions_loose", "sessions", ["since"], sqlite_where=loose, postgresql_where=loose
    )
    op.create_table(
        "breaks",
        _key("device", text),
        _key("session", text),
        _key("seq", big),
        _key("kind", text),
        _filled("since", big),
        sa.Column("other_session", text),
        sa.Column("other_seq", big),
        sqlite_with_rowid=False,
    )
    op.execute(sa.text(_GAPS))
    op.execute(sa.text(_SURVEYED))
