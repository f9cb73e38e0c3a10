"""How far an erasure has come: so that one that was cut short goes on, and none is done twice."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "erasures",
        sa.Column("hash", sa.LargeBinary(), primary_key=True, nullable=False),
        sa.Column("collector", text, nullable=False),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.Column("erased", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
