"""Which database a URL means: a file of SQLite, or PostgreSQL with what libpq takes.

Pure. A password may stand in a URL that comes from settings; nothing here, and no message
about a database, shows it.
"""

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from collector.errors import StoreUnavailable

_SPELLINGS = "write sqlite:///PATH or postgresql://[USER@]HOST[:PORT]/DATABASE"


def sqlite_path(url: str) -> Path | None:
    """Give the file that a `sqlite:///` URL names, None for PostgreSQL's.

    StoreUnavailable for any other URL.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() == "postgresql":
        return None
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.query:
        raise StoreUnavailable(f"database {shown(parsed)}: {_SPELLINGS}")
    return Path(parsed.database)


def postgres_url(url: str) -> URL:
    """Give PostgreSQL's URL as psycopg 3 takes it; StoreUnavailable for any other."""
    parsed = _parsed(url)
    known = parsed.drivername in {"postgresql", "postgresql+psycopg"}
    if not known or not parsed.database:
        raise StoreUnavailable(f"database {shown(parsed)}: {_SPELLINGS}")
    return parsed.set(drivername="postgresql+psycopg")


def has_password(url: str) -> bool:
    """Whether a URL holds a password, in either of the places that libpq reads."""
    parsed = _parsed(url)
    return parsed.password is not None or "password" in parsed.query


def with_password(url: str, password: str) -> str:
    """Give the URL with this password in it."""
    return _parsed(url).set(password=password).render_as_string(hide_password=False)


def shown(url: URL) -> str:
    """Give a URL for people, without its password."""
    hidden = url.difference_update_query(["password"]) if "password" in url.query else url
    return hidden.render_as_string(hide_password=True)


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as error:
        # What cannot be read may hold a password all the same: it is not repeated.
        raise StoreUnavailable(f"the database's URL cannot be read: {_SPELLINGS}") from error
