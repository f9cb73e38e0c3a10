"""What Sparkplug messages say, decoded, as one more arm of the view (docs/formats.md, Store).

`births` are looked up by number; `decodings` says how far each collector's log is decoded. A
store of an older release starts at nothing, and its messages are decoded when it is opened.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from collector.migrations.view_0001 import postgres_readings, sqlite_readings
from collector.migrations.view_0005 import DECODED

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and the view anew."""
    big = sa.BigInteger()
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "decoded",
        _key("collector", text),
        _key("position", big),
        _key("number", sa.Integer()),
        sa.Column("device", text, nullable=False),
        sa.Column("time", big, nullable=False),
        # Not in order of bytes: the view's other arms are not either.
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("decoded_device", "decoded", ["device", "time"])
    op.create_table(
        "births",
        _key("device", text),
        _key("session", text),
        _key("seq", big),
        sa.Column("collector", text, nullable=False),
        sa.Column("position", big, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "decodings",
        _key("collector", text),
        sa.Column("next", big, nullable=False),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "postgresql":
        view = postgres_readings()[-1].replace("CREATE VIEW", "CREATE OR REPLACE VIEW")
    else:
        op.get_bind().exec_driver_sql("DROP VIEW IF EXISTS readings")
        view = sqlite_readings()
    op.get_bind().exec_driver_sql(view + DECODED)


def _key(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False, nullable=False)
