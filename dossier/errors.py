"""What can be wrong with a package, by what its reader can do about it."""


class DossierError(Exception):
    """Root of this part's errors; each message is one sentence for a person."""


class Unreadable(DossierError):  # noqa: N818 - says what a package is
    """What was given is no package, or one that is never read: its form alone says so."""


class Untrue(DossierError):  # noqa: N818 - says what was found
    """It is a package, and something in it is not what it has to be."""


class NothingThere(DossierError):  # noqa: N818 - says what was found
    """There is nothing to make a package of."""
