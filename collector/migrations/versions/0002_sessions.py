"""The broker's session that a collector goes on with, so that several can share a database.

NULL in rows of before: there the store had one session, named after its first live collector.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.add_column("collectors", sa.Column("session", text))
