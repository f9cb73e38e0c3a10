"""What can go wrong in the anchor, by what the reader of the error can do about it."""


class AnchorError(Exception):
    """Root of every error of this part."""


class Malformed(AnchorError, ValueError):  # noqa: N818 - says what the bytes are
    """Bytes that the format's writer would not write; nothing in them may be used."""


class Refused(AnchorError, ValueError):  # noqa: N818 - says what became of a claim
    """Well-formed but false: a signature, a path, a root or a quorum does not hold."""


class Missing(AnchorError):  # noqa: N818 - says what a file is
    """A file, a tile or a witness that is needed is not there."""


class Unreachable(AnchorError):  # noqa: N818 - says what a server is
    """A server gave no whole answer: whether what was asked for is there is not known."""


class Diverged(AnchorError):  # noqa: N818 - says what the log is
    """A witness or `anchor.db` is ahead of the folder or differs from it: signing is refused."""


class Locked(AnchorError):  # noqa: N818 - says what the log is
    """Another process writes this log or this witness's state: there is one writer only."""


class DiskFailed(AnchorError):  # noqa: N818 - says what happened
    """An fsync failed: what was written before may be lost, and no later fsync would say so."""
