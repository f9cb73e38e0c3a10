"""The store's first shape (docs/formats.md, Store), on SQLite and on PostgreSQL.

Forward only: evidence is never migrated back. Written out rather than taken from
`collector.tables`, which moves on while this stays; a test compares the two.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from collector.migrations.view_0001 import postgres_readings, sqlite_readings

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _key(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False, nullable=False)


def _filled(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def upgrade() -> None:
    """Make every table and the view."""
    # In order of their bytes, whatever the database's language.
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    big, number, data = sa.BigInteger(), sa.Integer(), sa.LargeBinary()
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
    if op.get_bind().dialect.name == "postgresql":
        op.create_index("messages_received", "messages", ["received_at"], postgresql_using="brin")
        view = postgres_readings()
    else:
        view = [sqlite_readings()]
    for statement in view:
        op.get_bind().exec_driver_sql(statement)


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
        postgresql_partition_by="RANGE (position)",
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
