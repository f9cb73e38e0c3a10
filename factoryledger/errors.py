"""What the command itself can refuse, by what its reader can do about it.

The parts have roots of their own; `factoryledger.exits` turns all of them into exit codes.
"""


class FactoryledgerError(Exception):
    """Root of the command's own errors; each message is one sentence for a person."""


class WrongUsage(FactoryledgerError):  # noqa: N818 - says what happened
    """An option, a setting or an input file is not what the command can use."""


class NotThere(FactoryledgerError):  # noqa: N818 - says what happened
    """Something that the command needs is not there: a key, a broker, a database."""


class FoundFalse(FactoryledgerError):  # noqa: N818 - says what happened
    """Something was checked, and it does not hold."""
