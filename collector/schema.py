"""The store's schema, brought up to date by the migrations (docs/formats.md, Store).

Edge. Only a store's writer runs it, in one transaction, alone.
"""

from collections.abc import Callable
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from collector.errors import StoreUnavailable

_log = structlog.get_logger(__name__)
_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(
    connection: Connection, store: str, *, keep: Callable[[str], None] = lambda _: None
) -> None:
    """Run the migrations that this store has not seen, in the caller's transaction.

    `store` names it to people; `keep` is given an older store's schema before it is changed.
    StoreUnavailable where it is of a newer release.
    """
    config = _config()
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    newest = scripts.get_current_head()
    if current == newest:
        return
    if current is not None and current not in {s.revision for s in scripts.walk_revisions()}:
        raise StoreUnavailable(
            f"{store} was written by a newer release (schema {current}): use that one"
        )
    if current is not None:
        keep(current)
        _log.warning("store-upgraded", store=store, before=current, now=newest)
    command.upgrade(config, "head")


def heads() -> tuple[str | None, set[str]]:
    """The schema of this release, and all that it can bring forward."""
    scripts = ScriptDirectory.from_config(_config())
    return scripts.get_current_head(), {script.revision for script in scripts.walk_revisions()}


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def is_made(connection: Connection) -> bool:
    """Whether any release has made its schema here."""
    return MigrationContext.configure(connection).get_current_revision() is not None
