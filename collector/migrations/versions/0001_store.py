"""The store's first shape (docs/formats.md, Store).

Forward only: evidence is never migrated back. Written out rather than taken from
`collector.tables`, which moves on while this stays; a test compares the two.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# One text of the payload, an empty object where it is no JSON: no row can fail a query.
_JSON = "CASE WHEN json_valid(CAST(m.payload AS TEXT)) THEN CAST(m.payload AS TEXT) ELSE '{{}}' END"
_MICROSECONDS = (
    "CAST(strftime('%s', substr({0}, 1, 19)) AS INTEGER) * 1000000"
    " + CAST(substr({0}, 21, 6) AS INTEGER)"
)


def _readings() -> str:
    """Give the view's SQL: an arm for `readings`, an arm for `scans`.

    Device and time come from indexed columns, so that one machine's hour is an index
    search, and a row counts only where its payload says the same.
    """
    json = _JSON.format()
    at = f"json_extract({json}, '$.time')"
    scan = "'$.scans[' || max(0, CAST(s.number AS INTEGER)) || ']"
    scan_at = f"json_extract({json}, {scan}.time')"
    numbers = "r.type IN ('integer', 'real') AND typeof(r.key) = 'text'"
    # In a birth, state or event a member of that name means nothing.
    counted = "m.status = 'accepted' AND substr(m.topic, -10) = '/telemetry'"
    columns = "r.key AS metric, CAST(r.value AS REAL) AS value, m.collector, m.position"
    return f"""
        CREATE VIEW readings AS
        SELECT m.device AS device, m.time AS time, {columns}
        FROM messages AS m, json_each({json}, '$.readings') AS r
        WHERE {counted}
          AND json_extract({json}, '$.device') = m.device
          AND {_MICROSECONDS.format(at)} = m.time
          AND {numbers}
        UNION ALL
        SELECT s.device AS device, s.time AS time, {columns}
        FROM scans AS s
        CROSS JOIN messages AS m ON m.collector = s.collector AND m.position = s.position
        CROSS JOIN json_each({json}, {scan}.readings') AS r
        WHERE {counted}
          AND json_extract({json}, '$.device') = s.device
          AND {_MICROSECONDS.format(scan_at)} = s.time
          AND {numbers}
    """  # noqa: S608 - built of the constants above


def _key(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False, nullable=False)


def _filled(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def upgrade() -> None:
    """Make every table and the view."""
    text, big, number, data = sa.Text(), sa.BigInteger(), sa.Integer(), sa.LargeBinary()
    op.create_table(
        "collectors",
        _key("id", text),
        sa.Column("ordinal", number, nullable=False, unique=True),
        _filled("origin", text),
        _filled("vkey", text),
        _filled("kind", text),
        sa.Column("source_sha256", data),
        sa.Column("source_line", big),
        sqlite_with_rowid=False,
    )
    _messages(text, big, data)
    op.create_table(
        "scans",
        _key("collector", text),
        _key("position", big),
        _key("number", number),
        _filled("device", text),
        _filled("time", big),
        sqlite_with_rowid=False,
    )
    op.create_index("scans_device", "scans", ["device", "time"])
    _log(text, big, number, data)
    _judging(text, big, data)
    op.execute(sa.text(_readings().replace(":", r"\:")))


def _messages(text: sa.Text, big: sa.BigInteger, data: sa.LargeBinary) -> None:
    op.create_table(
        "messages",
        _key("collector", text),
        _key("position", big),
        _filled("received_at", big),
        sa.Column("original_at", big),
        _filled("topic", text),
        sa.Column("payload", data),
        sa.Column("properties", text),
        sa.Column("device", text),
        sa.Column("session", text),
        sa.Column("seq", big),
        sa.Column("time", big),
        _filled("status", text),
        sa.Column("key", text),
        _filled("keys", big),
        sa.Column("entry", data),
        _filled("payload_hash", data),
        sa.Column("body_hash", data),
    )
    accepted = sa.text("status = 'accepted'")
    op.create_index(
        "messages_accepted",
        "messages",
        ["device", "time"],
        sqlite_where=accepted,
        postgresql_where=accepted,
    )


def _log(text: sa.Text, big: sa.BigInteger, number: sa.Integer, data: sa.LargeBinary) -> None:
    op.create_table(
        "batches",
        _key("collector", text),
        _key("number", big),
        _filled("start", big),
        _filled("size", big),
        _filled("root", data),
        _filled("checkpoint", data),
        _filled("keys", big),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tiles",
        _key("collector", text),
        _key("level", number),
        _key("number", big),
        _filled("hashes", data),
    )
    op.create_table(
        "key_entries",
        _key("collector", text),
        _key("number", big),
        _filled("hash", data),
        _filled("entry", data),
        sqlite_with_rowid=False,
    )


def _judging(text: sa.Text, big: sa.BigInteger, data: sa.LargeBinary) -> None:
    op.create_table(
        "claims",
        _key("device", text),
        _key("session", text),
        _key("seq", big),
        _filled("collector", text),
        _filled("position", big),
        _filled("body_hash", data),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sightings",
        _key("body_hash", data),
        _key("status", text),
        sa.Column("device", text),
        sa.Column("session", text),
        sa.Column("seq", big),
        _filled("collector", text),
        _filled("position", big),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "counters",
        _key("collector", text),
        _key("name", text),
        _filled("value", big),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "refusals",
        _key("collector", text),
        _key("hash", data),
        _filled("received_at", big),
        _filled("topic", data),
        _filled("payload", data),
        sa.Column("properties", text),
        _filled("reason", text),
    )
