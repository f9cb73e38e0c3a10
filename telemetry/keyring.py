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
Kind = Literal["device", "collector", "messages"]


@dataclass(frozen=True, slots=True)
class KeyStatement:
    """What one operator-signed key entry says (docs/formats.md, Key entry).

    `hash` is the SHA-256 of the whole entry, `time` in microseconds since the epoch;
    `key` is a 32-byte Ed25519 public key; `prior` the hash of the entry that this one ends;
    `statuses` are those of the messages that an erasure means, empty for all of them.
    """

    hash: bytes
    action: Action
    kind: Kind
    name: str
    time: int
    key: bytes | None = None
    prior: bytes | None = None
    statuses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One key of a device: the 32-byte key, the entry that enrolled it, the one that ended it."""

    public_key: bytes
    entry: bytes
    ended_by: bytes | None = None


class Keyring:
    """All keys that were ever enrolled, as far as the statements applied say.

    Order matters: apply statements as the log or the collector has them.
    """

    __slots__ = ("_applied", "_by_entry", "_by_key", "_collectors")

    def __init__(self, statements: Iterable[KeyStatement] = ()) -> None:
        self._applied: set[bytes] = set()
        # Which enrolment an entry made: its kind, name and key id.
        self._by_entry: dict[bytes, tuple[Kind, str, str]] = {}
        self._by_key: dict[tuple[str, str], tuple[Enrolment, ...]] = {}
        self._collectors: dict[str, Enrolment] = {}
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
        if statement.key is not None:
            self._enrol(statement, statement.key)
        self._applied.add(statement.hash)

    def enrolments(self, device: str, key: str) -> Sequence[Enrolment]:
        """Every enrolment of a key id for a device, ended ones too, in order; empty if none."""
        return self._by_key.get((device, key), ())

    def collector_key(self, id: str) -> Enrolment | None:  # noqa: A002 - the field's noun
        """A collector's one enrolment, ended or not."""
        return self._collectors.get(id)

    def _check_new(self, statement: KeyStatement) -> None:
        if statement.kind == "collector" and statement.name in self._collectors:
            raise ContradictoryStatement(
                f"{_title(statement)}: a collector keeps its one key; start a new collector id"
            )
        if statement.kind == "device" and statement.key is not None:
            known = self.enrolments(statement.name, key_id(statement.key))
            # Twice alive, a key would outlive its revocation.
            if any(e.ended_by is None and e.public_key == statement.key for e in known):
                raise ContradictoryStatement(f"{_title(statement)}: the key is enrolled already")

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
        if kind == "collector":
            return self._collectors[name]
        return next(e for e in self._by_key[name, key] if e.entry == entry)

    def _end(self, entry: bytes, ended_by: bytes) -> None:
        kind, name, key = self._by_entry[entry]
        ended = replace(self._find(entry), ended_by=ended_by)
        if kind == "collector":
            self._collectors[name] = ended
        else:
            known = self._by_key[name, key]
            self._by_key[name, key] = tuple(ended if e.entry == entry else e for e in known)

    def _enrol(self, statement: KeyStatement, key: bytes) -> None:
        name, made = statement.name, Enrolment(key, statement.hash)
        self._by_entry[statement.hash] = (statement.kind, name, key_id(key))
        if statement.kind == "collector":
            self._collectors[name] = made
        else:
            place = (name, key_id(key))
            self._by_key[place] = (*self._by_key.get(place, ()), made)


# What each action names: kinds, whether it brings a key, whether it ends one.
_SHAPES: Final[dict[Action, tuple[tuple[Kind, ...], bool, bool]]] = {
    "enrol": (("device", "collector"), True, False),
    "rotate": (("device",), True, True),
    "revoke": (("device", "collector"), False, True),
    "erase": (("messages",), False, False),
}


def _check_shape(statement: KeyStatement) -> None:
    kinds, brings, ends = _SHAPES[statement.action]
    shape = (statement.key is not None, statement.prior is not None)
    if statement.kind not in kinds or shape != (brings, ends):
        raise ContradictoryStatement(f"{_title(statement)} has not the shape of its action")


def _title(statement: KeyStatement) -> str:
    return f"{statement.action} {statement.kind} {statement.name}"
