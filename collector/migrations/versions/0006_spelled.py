"""The view `readings` finds members whose names are spelled with escapes, on SQLite too."""

from alembic import op

from collector.migrations.view_0005 import DECODED
from collector.migrations.view_0006 import sqlite_readings

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the view anew; PostgreSQL has always found them."""
    if op.get_bind().dialect.name == "sqlite":
        op.get_bind().exec_driver_sql("DROP VIEW IF EXISTS readings")
        op.get_bind().exec_driver_sql(sqlite_readings() + DECODED)
