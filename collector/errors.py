"""What can go wrong in the collector, by what the reader of the error can do about it."""


class CollectorError(Exception):
    """The root of the collector's errors; its message says what failed and what to try."""


class StoreLocked(CollectorError):  # noqa: N818 - says what the store is
    """Another process writes to this store; only one may (docs/decisions/sqlite-one-writer.md)."""


class StoreUnavailable(CollectorError):  # noqa: N818 - says what the store is
    """The store is not there, is no store, or is of a release that this one cannot read."""


class StoreUnmade(StoreUnavailable):
    """The store's file or database is there, and has no table yet: a collector is making it."""


class StoreDisguised(StoreUnavailable):
    """What stands in the place of a table may show each reader other rows, or never end."""


class LogInDoubt(CollectorError):  # noqa: N818 - says where the log is
    """What is there does not fit what was signed before; going on could fork a log."""


class CommitFailed(CollectorError):  # noqa: N818 - says what happened
    """A batch is not in the store and cannot be put there; nothing of it was acknowledged."""


class Contested(CollectorError):  # noqa: N818 - says what its numbers are
    """Another collector of the same database has taken a number or a body meanwhile."""
