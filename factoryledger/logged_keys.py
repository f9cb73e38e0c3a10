"""Where the anchor log says whose key is whose, and where it ends one.

The log's own word, by key entries that the operator of the policy signed: what it does not
say yet counts for nobody who verifies.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from anchor.errors import AnchorError
from anchor.key_entry import OperatorAuthority
from anchor.reading.log_index import LogIndex
from factoryledger.installation import Installation
from telemetry.keyring import Action, KeyStatement, Kind
from telemetry.signature import key_id


@dataclass(frozen=True, slots=True)
class LoggedKey:
    """A key, the index of the log entry that brings it, and of the one that ends it, if any."""

    kind: Kind
    name: str
    public_key: bytes
    index: int
    ended_by: Action | None = None
    ended_index: int | None = None

    def to_json(self) -> dict[str, Any]:
        """All members, the key by its id."""
        return {
            "kind": self.kind,
            "name": self.name,
            "key": key_id(self.public_key),
            "index": self.index,
            "ended_by": self.ended_by,
            "ended_index": self.ended_index,
        }


def logged_keys(place: Installation) -> list[LoggedKey]:
    """Every key that the anchor log brings, in its order; none where there is no log yet.

    Refused, Missing or Malformed where the log does not hold.
    """
    if place.policy.operator is None or not place.has_log:
        return []
    authority, view = OperatorAuthority(place.policy.operator), place.log_reader.view
    found = dict[bytes, LoggedKey]()
    for index in sorted(LogIndex.scan(view).keys.values()):
        with suppress(AnchorError):  # a false entry brings nothing; `audit` finds it
            _apply(found, authority.read(view.entry(index)), index)
    return list(found.values())


def _apply(found: dict[bytes, LoggedKey], statement: KeyStatement, index: int) -> None:
    ended = _ended(found, statement)
    if ended is not None:
        found[ended] = replace(found[ended], ended_by=statement.action, ended_index=index)
    if statement.key is not None:
        key = LoggedKey(statement.kind, statement.name, statement.key, index)
        found[statement.hash] = key


def _ended(found: dict[bytes, LoggedKey], statement: KeyStatement) -> bytes | None:
    """Which entry's key a statement ends: a rotation of the log names the key itself."""
    if statement.former is not None:
        keys = ((entry, key.public_key) for entry, key in found.items() if key.kind == "log")
        return next((entry for entry, key in keys if key == statement.former), None)
    prior = statement.prior
    known = None if prior is None else found.get(prior)
    return prior if known is not None and known.ended_by is None else None
