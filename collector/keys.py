"""The key entries that one collector has applied, and those waiting in the requests folder.

Entries are applied in the order in which they are found; that order is kept in the store with
the next batch, for records count on it.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

import structlog

from collector.errors import CollectorError
from collector.ports import Authority, Requests
from telemetry.correction import is_correction
from telemetry.errors import ContradictoryStatement
from telemetry.keyring import Keyring, KeyStatement
from telemetry.rows import KeyRow

_log = structlog.get_logger(__name__)


class Keys:
    """A keyring that follows the requests folder; `unsaved` is what no commit has kept yet."""

    def __init__(self, authority: Authority, requests: Requests, *, collector: str) -> None:
        self.keyring = Keyring()
        # Those in the keyring, in order; only ever appended to, since other threads read it.
        self.statements: list[KeyStatement] = []
        self.unsaved: list[KeyRow] = []
        self._authority = authority
        self._requests = requests
        self._collector = collector
        self._hashes: set[bytes] = set()
        self._newest = ""
        # The entry of the requests folder that was kept last; None where there is none.
        self._resumed_at: bytes | None = None

    def replay(self, rows: Iterable[KeyRow]) -> None:
        """Take what was applied before a restart; CollectorError where it is not to be read."""
        for row in rows:
            try:
                statement = self._authority.read(row.entry)
                self.keyring.apply(statement)
                self.statements.append(statement)
            except ValueError as error:
                raise CollectorError(
                    f"key entry {row.number} of collector {row.collector} in the store is "
                    f"refused: {error}; was the policy's operator changed? Run `audit`"
                ) from error
            self._hashes.add(statement.hash)
            # The first is the collector's own entry, wherever it stands in the folder.
            if row.number:
                self._resumed_at = statement.hash

    def refresh(self) -> int:
        """Apply what has come into the requests folder; give the number of new entries."""
        try:
            found = self._requests.after(self._newest)
        except OSError as error:
            _log.warning("requests folder cannot be read", error=str(error))
            return 0
        return sum(self._apply(name, entry) for name, entry in self._not_passed(found))

    def saved(self, rows: Iterable[KeyRow]) -> None:
        """Take note that a commit has kept these."""
        kept = {row.number for row in rows}
        self.unsaved = [row for row in self.unsaved if row.number not in kept]

    def _not_passed(self, found: Sequence[tuple[str, bytes]]) -> Sequence[tuple[str, bytes]]:
        """Leave out what stands before the entry that was kept last, and was refused then.

        It may fit by now, and would come out of its order: an enrolment that was refused
        because its key was alive would revive that key after its revocation.
        """
        for place, (_, entry) in enumerate(found):
            if self._resumed_at is not None and sha256(entry).digest() == self._resumed_at:
                self._resumed_at = None
                self._newest = found[place][0]
                return found[place + 1 :]
        return found

    def _apply(self, name: str, entry: bytes) -> bool:
        """Apply one entry unless it is refused, or applied already."""
        self._newest = max(self._newest, name)
        if is_correction(entry):
            return False  # the anchor's to append; it says nothing of keys
        if sha256(entry).digest() in self._hashes:
            return False
        number = self.keyring.applied
        try:
            statement = self._authority.read(entry)
            _check_for_collectors(statement)
            self.keyring.apply(statement)
        except ValueError as error:
            _log.warning("key entry refused", request=name, error=str(error))
            return False
        self.statements.append(statement)
        self._hashes.add(statement.hash)
        self.unsaved.append(KeyRow(self._collector, number, statement.hash, entry))
        _log.info(
            "key entry applied",
            request=name,
            action=statement.action,
            kind=statement.kind,
            name=statement.name,
        )
        return True


def _check_for_collectors(statement: KeyStatement) -> None:
    """ContradictoryStatement for what only the anchor may put into its log, when it is at rest."""
    if statement.kind == "log":
        raise ContradictoryStatement("the anchor log's key is no collector's to rotate")
