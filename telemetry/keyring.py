"""Which key is whose, and until which entry: the state that key entries build up.

Pure: entries go in, in the order in which they were applied; look-ups come out.
Statements are already checked (operator's signature, possession); this only keeps them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from telemetry.errors import ContradictoryStatement
from telemetry.signature import key_id

Action = Literal["enrol", "rotate", "revoke", "erase"]
Kind = Literal["device", "collector", "messages", "log"]


@dataclass(frozen=True, slots=True)
class KeyStatement:
    """What one operator-signed key entry says (docs/formats.md, Key entry).

    `hash` is the SHA-256 of the whole entry, `time` in microseconds since the epoch;
    `key` is a 32-byte Ed25519 public key; `prior` the hash of the entry that this one ends;
    `statuses` are those of the messages that an erasure means, empty for all of them; `former`
    is the anchor log's key that a rotation of it ends; `gateway` the name of who holds a
    machine's key and signs on its behalf, None where the machine itself does.
    """

    hash: bytes
    action: Action
    kind: Kind
    name: str
    time: int
    key: bytes | None = None
    prior: bytes | None = None
    statuses: tuple[str, ...] = ()
    former: bytes | None = None
    gateway: str | None = None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One key of a device or collector: its 32 bytes, the entry that enrolled it, what ended it."""

    public_key: bytes
    entry: bytes
    ended_by: bytes | None = None


class Keyring:
    """All keys that were ever enrolled, as far as the statements applied say.

    Order matters: apply statements as the log or the collector has them.
    """

    __slots__ = ("_applied", "_by_entry", "_by_key", "_collectors", "_log_key")

    def __init__(self, statements: Iterable[KeyStatement] = ()) -> None:
        self._applied: set[bytes] = set()
        # Which enrolment an entry made: its kind, name and key id.
        self._by_entry: dict[bytes, tuple[Kind, str, str]] = {}
        self._by_key: dict[tuple[str, str], tuple[Enrolment, ...]] = {}
        self._collectors: dict[str, tuple[Enrolment, ...]] = {}
        self._log_key: bytes | None = None
        for statement in statements:
            self.apply(statement)

    @property
    def applied(self) -> int:
        """How many statements were applied, of every action."""
        return len(self._applied)

    def apply(self, statement: KeyStatement) -> None:
        """Take one statement; ContradictoryStatement, and nothing changed, if it cannot be so."""
        _check_shape(statement)
        if statement.hash in self._applied:
            raise ContradictoryStatement(f"{_title(statement)} was applied before")
        if statement.prior is not None:
            self._check_prior(statement, statement.prior)
        if statement.key is not None:
            self._check_new(statement)
        # Nothing below fails: a statement is applied whole or not at all.
        if statement.prior is not None:
            self._end(statement.prior, statement.hash)
        if statement.kind == "log":
            self._log_key = statement.key
        elif statement.key is not None:
            self._enrol(statement, statement.key)
        self._applied.add(statement.hash)

    def enrolments(self, device: str, key: str) -> Sequence[Enrolment]:
        """Every enrolment of a key id for a device, ended ones too, in order; empty if none."""
        return self._by_key.get((device, key), ())

    def collector_key(self, id: str) -> Enrolment | None:  # noqa: A002 - the field's noun
        """A collector's newest key, ended or not."""
        return self.collector_keys(id)[-1] if id in self._collectors else None

    def collector_keys(self, id: str) -> Sequence[Enrolment]:  # noqa: A002 - the field's noun
        """Every key of a collector, each rotated to the next, in order; empty if none."""
        return self._collectors.get(id, ())

    @property
    def log_key(self) -> bytes | None:
        """The anchor log's key since its last rotation; None where it was never rotated."""
        return self._log_key

    def _check_new(self, statement: KeyStatement) -> None:
        if statement.kind == "log":
            if self._log_key not in {None, statement.former}:
                raise ContradictoryStatement(f"{_title(statement)}: it ends another key")
        elif statement.kind == "collector":
            self._check_collector(statement)
        if statement.kind == "device" and statement.key is not None:
            known = self.enrolments(statement.name, key_id(statement.key))
            # Twice alive, a key would outlive its revocation.
            if any(e.ended_by is None and e.public_key == statement.key for e in known):
                raise ContradictoryStatement(f"{_title(statement)}: the key is enrolled already")

    def _check_collector(self, statement: KeyStatement) -> None:
        known = self.collector_keys(statement.name)
        if known and statement.action == "enrol":
            raise ContradictoryStatement(
                f"{_title(statement)}: it has a key, which can be rotated, or start a new id"
            )
        # A key that signed before another would give its checkpoints no order.
        if any(e.public_key == statement.key for e in known):
            raise ContradictoryStatement(f"{_title(statement)}: it had this key before")

    def _check_prior(self, statement: KeyStatement, prior: bytes) -> None:
        made = self._by_entry.get(prior)
        if made is None or made[:2] != (statement.kind, statement.name):
            raise ContradictoryStatement(
                f"{_title(statement)}: {prior.hex()} enrolled no key of this {statement.kind}"
            )
        if self._find(prior).ended_by is not None:
            raise ContradictoryStatement(
                f"{_title(statement)}: the key of {prior.hex()} has ended before"
            )

    def _find(self, entry: bytes) -> Enrolment:
        kind, name, key = self._by_entry[entry]
        known = self._collectors[name] if kind == "collector" else self._by_key[name, key]
        return next(e for e in known if e.entry == entry)

    def _end(self, entry: bytes, ended_by: bytes) -> None:
        kind, name, key = self._by_entry[entry]
        ended = replace(self._find(entry), ended_by=ended_by)
        known = self._collectors[name] if kind == "collector" else self._by_key[name, key]
        now = tuple(ended if e.entry == entry else e for e in known)
        if kind == "collector":
            self._collectors[name] = now
        else:
            self._by_key[name, key] = now

    def _enrol(self, statement: KeyStatement, key: bytes) -> None:
        name, made = statement.name, Enrolment(key, statement.hash)
        self._by_entry[statement.hash] = (statement.kind, name, key_id(key))
        if statement.kind == "collector":
            self._collectors[name] = (*self.collector_keys(name), made)
        else:
            place = (name, key_id(key))
            self._by_key[place] = (*self._by_key.get(place, ()), made)


# What each action names, by kind: whether it brings a key, ends an entry's, ends the log's.
_SHAPES: Final[dict[tuple[Action, Kind], tuple[bool, bool, bool]]] = {
    ("enrol", "device"): (True, False, False),
    ("enrol", "collector"): (True, False, False),
    ("rotate", "device"): (True, True, False),
    ("rotate", "collector"): (True, True, False),
    ("rotate", "log"): (True, False, True),
    ("revoke", "device"): (False, True, False),
    ("revoke", "collector"): (False, True, False),
    ("erase", "messages"): (False, False, False),
}


def _check_shape(statement: KeyStatement) -> None:
    said = (statement.key, statement.prior, statement.former)
    shape = tuple(value is not None for value in said)
    for_nobody = statement.gateway is not None and statement.kind != "device"
    if for_nobody or shape != _SHAPES.get((statement.action, statement.kind)):
        raise ContradictoryStatement(f"{_title(statement)} has not the shape of its action")


def _title(statement: KeyStatement) -> str:
    return f"{statement.action} {statement.kind} {statement.name}"
