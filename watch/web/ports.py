"""What the server asks of others; the roof passes the real ones in.

All methods block, on disk or database, and are called in threads of the server's.
`Away` says that what they read is not there now; `NotFound` that the asked-for thing is not, or
not yet; `WrongValue` that a query's value is none; `Contradicted` that evidence was tampered with.
"""

from dataclasses import dataclass
from typing import Protocol

from watch.web.stored import Corrections, Device, Gap, Log, Messages, Pipeline, Readings


class Away(Exception):  # noqa: N818 - the name says what is so
    """Store or log cannot be read now; the message says which and why."""


class NotFound(Exception):  # noqa: N818 - as above
    """There is no such thing; `hint` says what to try."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


class Contradicted(Exception):  # noqa: N818 - as above
    """What is stored is not what was anchored; `hint` says what to try."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


class WrongValue(Exception):  # noqa: N818 - as above
    """A value of a query is none that it may have; `hint` says what to write."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class ReadingsAsked:
    """A machine's readings between two times (microseconds, inclusive); `after` is a cursor."""

    device: str
    metric: str | None
    start: int
    stop: int
    limit: int
    after: str | None


@dataclass(frozen=True, slots=True)
class MessagesAsked:
    """Stored messages, of a device or a status where one is named."""

    device: str | None
    status: str | None
    limit: int
    after: str | None


@dataclass(frozen=True, slots=True)
class MessageNamed:
    """A message by its machine's number, or by its place in a collector's log."""

    device: str | None = None
    session: str | None = None
    seq: int | None = None
    collector: str | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof's bytes, and the name of its file."""

    name: str
    data: bytes


class Looking(Protocol):
    """Store and log as they are now: asked again and again, by one thread."""

    def pipeline(self) -> Pipeline:
        """Count the store. Away where it is not there."""

    def gaps(self) -> list[Gap]:
        """What the store lacks. Away where it is not there."""

    def log(self) -> Log | None:
        """The anchor log at its newest checkpoint; None before the first. Away, as above."""

    def devices(self) -> list[Device]:
        """Every key that the log brings. Away, as above."""


class Answering(Protocol):
    """Questions of a person, one after the other."""

    def readings(self, asked: ReadingsAsked) -> Readings:
        """Readings, by time. Away, WrongValue for a cursor that is none."""

    def messages(self, asked: MessagesAsked) -> Messages:
        """Messages, the newest first. Away, WrongValue as above."""

    def corrections(self, device: str | None) -> Corrections:
        """What the operator said of stored messages (a machine's, if named), newest first."""


class Proving(Protocol):
    """Proofs, each built and verified anew."""

    def proof(self, named: MessageNamed) -> Proof:
        """A message's proof. NotFound where there is none or not yet, Contradicted, Away."""


class Publishing(Protocol):
    """The files of the anchor log, as they are."""

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None where there is none of this path in a log."""

    def policy(self) -> bytes:
        """The policy's file. Away where there is none."""


class Gate(Protocol):
    """Who may look."""

    @property
    def closed(self) -> bool:
        """Whether a password is needed at all."""

    def check(self, password: str) -> bool:
        """Whether this is it; takes its time."""
