"""Where the anchor log says whose key is whose, and where it ends one.

The log's own word, by key entries that the operator of the policy signed: what it does not
say yet counts for nobody who verifies.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from anchor.errors import AnchorError
from anchor.key_entry import OperatorAuthority, is_key_entry
from anchor.reading.log_index import LogIndex
from factoryledger.installation import Installation
from telemetry.keyring import Action, KeyStatement, Kind
from telemetry.signature import key_id


@dataclass(frozen=True, slots=True)
class LoggedKey:
    """A key, the index of the log entry that brings it, and of the one that ends it, if any.

    `since` and `until` are when the operator says so, in microseconds.
    """

    kind: Kind
    name: str
    public_key: bytes
    index: int
    since: int
    ended_by: Action | None = None
    ended_index: int | None = None
    until: int | None = None
    gateway: str | None = None
    """Who holds it on behalf of a machine that cannot sign."""

    def to_json(self) -> dict[str, Any]:
        """All members, the key by its id."""
        return {
            "kind": self.kind,
            "name": self.name,
            "key": key_id(self.public_key),
            "index": self.index,
            "ended_by": self.ended_by,
            "ended_index": self.ended_index,
            "signed_by_gateway": self.gateway,
        }


class LoggedKeys:
    """The keys that a log's entries bring, read one after the other; none without an operator."""

    def __init__(self, authority: OperatorAuthority | None) -> None:
        self._authority = authority
        self._found = dict[bytes, LoggedKey]()

    @property
    def found(self) -> list[LoggedKey]:
        """All of them, in the log's order."""
        return list(self._found.values())

    def read(self, entry: bytes, index: int) -> None:
        """Take an entry; a checkpoint, and a key entry that does not hold, bring nothing."""
        if self._authority is None or not is_key_entry(entry):
            return
        with suppress(AnchorError):  # a false entry brings nothing; `audit` finds it
            self._apply(self._authority.read(entry), index)

    def _apply(self, statement: KeyStatement, index: int) -> None:
        ended = self._ended(statement)
        if ended is not None:
            self._found[ended] = replace(
                self._found[ended],
                ended_by=statement.action,
                ended_index=index,
                until=statement.time,
            )
        if statement.key is not None:
            key = LoggedKey(
                statement.kind,
                statement.name,
                statement.key,
                index,
                since=statement.time,
                gateway=statement.gateway,
            )
            self._found[statement.hash] = key

    def _ended(self, statement: KeyStatement) -> bytes | None:
        """Which entry's key a statement ends: a rotation of the log names the key itself."""
        if statement.former is not None:
            logs = ((e, k.public_key) for e, k in self._found.items() if k.kind == "log")
            return next((entry for entry, key in logs if key == statement.former), None)
        prior = statement.prior
        known = None if prior is None else self._found.get(prior)
        return prior if known is not None and known.ended_by is None else None


def logged_keys(place: Installation) -> list[LoggedKey]:
    """Every key that the anchor log brings, in its order; none where there is no log yet.

    Refused, Missing or Malformed where the log does not hold.
    """
    if place.policy.operator is None or not place.has_log:
        return []
    view = place.log_reader.view
    keys = LoggedKeys(OperatorAuthority(place.policy.operator))
    for index in sorted(LogIndex.scan(view).keys.values()):
        keys.read(view.entry(index), index)
    return keys.found
