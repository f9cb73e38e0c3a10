"""Births that came late, and how far what they name is decoded anew (docs/formats.md, Store).

Before, that was one transaction, so that a store of an older release has none under way.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "redecodings",
        _key("device", text),
        _key("session", text),
        _key("seq", sa.BigInteger()),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )


def _key(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False, nullable=False)
