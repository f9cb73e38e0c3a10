"""What the settings name: data folder, store, log, policy and broker, each opened on demand."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from factoryledger.data_dir import DataDir
from factoryledger.errors import WrongUsage
from factoryledger.ledger_file import LEDGER_FILE
from factoryledger.secret_prefix import secret_prefix, secret_share
from factoryledger.settings import Settings
from factoryledger.settings_sources import read_settings
from telemetry.address import Address, Credentials

if TYPE_CHECKING:
    # For the types alone: a command loads only the parts that it uses.
    from anchor.policy import Policy
    from anchor.reading.log_reader import LogReader
    from factoryledger.broker_files import BrokerFiles
    from factoryledger.broker_identity import BrokerIdentity
    from factoryledger.stores import Stores


_MAX_PORT = 65535
AUTO = "auto"
"""The prefix, and the group, that stand for one of the data folder's own: nobody guesses it."""


class Installation:
    """One ledger as the settings describe it; closes its store at the end of a `with`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.data = DataDir(settings.data, settings.key_passphrase_file)

    @property
    def database_url(self) -> str:
        """The one store that a collector writes; it may hold a password, so it is never shown."""
        named = self.settings.database
        if named is None:
            return self.data.store_url(self.settings.name)
        if len(named) > 1:
            raise WrongUsage("--database: a collector writes one store; name that alone")
        return self._with_password(named[0])

    def database_urls(self) -> Sequence[str]:
        """The stores that are read: those named, else all of the data folder as it is now."""
        named = self.settings.database
        if named is None:
            return self.data.store_urls()
        return [self._with_password(url) for url in named]

    def _with_password(self, url: str) -> str:
        password = self.settings.database_password
        if password is None:
            return url
        from collector.database import with_password  # noqa: PLC0415 - SQLAlchemy is slow

        return with_password(url, password)

    def holds_collector(self, collector: str) -> bool:
        """Whether a live collector of the store is this installation's.

        A file's are, all of them; a database's are those whose key is here.
        """
        return self.database_url.startswith("sqlite") or self.data.collector_key_is_here(collector)

    @property
    def log(self) -> Path:
        """The anchor log's folder."""
        return self.settings.log or self.data.log

    @property
    def ledgers_file(self) -> Path:
        """What pins the outside ledgers."""
        return self.settings.ledgers or self.data.path / LEDGER_FILE

    @cached_property
    def policy(self) -> "Policy":
        """The pinned keys; WrongUsage when there are none."""
        return self.data.policy(self.settings.policy)

    @cached_property
    def ledger(self) -> "Stores":
        """The stores, read only; StoreUnavailable when one is not there."""
        from factoryledger.stores import Stores  # noqa: PLC0415 - SQLAlchemy is slow

        return Stores(self.database_urls)

    @cached_property
    def examined(self) -> "Stores":
        """The stores as an auditor reads them: also where a table is none any more."""
        from factoryledger.stores import Stores  # noqa: PLC0415 - SQLAlchemy is slow

        return Stores(self.database_urls, disguised=True)

    def close(self) -> None:
        """Close the stores, if they were opened."""
        for name in ("ledger", "examined"):
            stores = self.__dict__.pop(name, None)
            if stores is not None:
                stores.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def log_reader(self) -> "LogReader":
        """The anchor log as it is now, every hash checked against its signed checkpoint."""
        from anchor.reading.log_reader import FolderSource, LogReader  # noqa: PLC0415 - on demand

        return LogReader(FolderSource(self.log), self.policy.log, former=self.policy.former)

    @property
    def has_log(self) -> bool:
        """Whether the anchor has ever published."""
        return (self.log / "checkpoint").exists()

    @cached_property
    def broker(self) -> Address:
        """The broker's address."""
        try:
            return Address.parse(self.settings.broker)
        except ValueError as error:
            raise WrongUsage(f"--broker: {error}") from error

    @property
    def public(self) -> bool:
        """Whether the broker is one that strangers use, too: a prefix that they cannot guess."""
        return self.settings.prefix == AUTO

    @cached_property
    def prefix(self) -> str:
        """What stands before every topic; for `auto` it is made once and kept in the folder."""
        return secret_prefix(self.data.path) if self.public else self.settings.prefix

    @cached_property
    def share(self) -> str:
        """The group of collectors that share the topics; "" for none.

        For `auto` it is made once and kept in the folder.
        """
        named = self.settings.share
        return secret_share(self.data.path) if named == AUTO else named

    @cached_property
    def metrics(self) -> tuple[str, int] | None:
        """Where to serve metrics; None for nowhere."""
        text = self.settings.metrics
        if text is None:
            return None
        host, _, port = text.rpartition(":")
        if not (port.isascii() and port.isdigit() and int(port) <= _MAX_PORT):
            raise WrongUsage(f"--metrics: write [HOST:]PORT, not {text!r}")
        return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)

    @cached_property
    def credentials(self) -> Credentials:
        """Who we are at the broker, for as long as this process lives."""
        if self.broker_identity is not None:
            return self.broker_identity.credentials(tls=self.broker.tls)
        settings = self.settings
        shown = settings.broker_ca_file, settings.broker_certificate_file, settings.broker_key_file
        if not any(shown):
            return Credentials(settings.broker_user, settings.broker_password)
        from factoryledger.shown_certificates import tls_context  # noqa: PLC0415 - on demand

        return Credentials(settings.broker_user, settings.broker_password, tls_context(*shown))

    @cached_property
    def broker_identity(self) -> "BrokerIdentity | None":
        """The client of the role that the settings name, held from now on; None without one."""
        from factoryledger.broker_identity import take_identity  # noqa: PLC0415 - on demand

        role = self.settings.broker_identity
        return take_identity(self.broker_files.path, role) if role else None

    @property
    def broker_files(self) -> "BrokerFiles":
        """What `init --broker-host` makes."""
        from factoryledger.broker_files import BrokerFiles  # noqa: PLC0415 - cryptography is slow

        return BrokerFiles(self.data.path / "broker")


def installation(**flags: object) -> Installation:
    """Read the settings under these flags and give what they name.

    WrongUsage where the command line itself holds a database's password.
    """
    database = flags.get("database")
    named = database if isinstance(database, list | tuple) else [database]
    urls = [url for url in named if isinstance(url, str) and ":" in url]
    if urls:
        from collector.database import has_password  # noqa: PLC0415 - SQLAlchemy is slow

        if any(has_password(url) for url in urls):
            raise WrongUsage(
                "--database: a password on the command line can be seen by every user of this "
                "machine; put it into a file that FACTORYLEDGER_DATABASE_PASSWORD_FILE or "
                "PGPASSFILE names"
            )
    return Installation(read_settings(**flags))
