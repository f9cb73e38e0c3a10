"""Receipts: one signature for all of a commit, a path for each machine (docs/formats.md).

`ReceiptTree` is the collector's side, `ReceiptVerifier` the machine's, which trusts only
keys that the pinned operator certified.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from anchor.errors import Malformed, Refused
from anchor.key_entry import OperatorAuthority
from anchor.merkle import HASH, check_inclusion, leaf_hash, parents
from anchor.note import ED25519, Note, SignerKey, VerifierKey, check_key_name, sign_note
from anchor.spelling import number, octets
from telemetry.canonical import b64
from telemetry.errors import TelemetryError
from telemetry.keyring import KeyStatement
from telemetry.receipt import Receipt, ReceiptLeaf

FIRST_LINE = "factoryledger receipts v1"
_LINES = 4
_KEPT = 1024


@dataclass(frozen=True, slots=True)
class ReceiptHead:
    """What a receipts note says: the collector's origin, how many leaves, their root."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        check_key_name(self.origin)
        if self.size < 1:
            raise Malformed("a tree of no receipts")

    def to_text(self) -> str:
        """The note's text."""
        return f"{FIRST_LINE}\n{self.origin}\n{self.size}\n{b64(self.root)}\n"

    @classmethod
    def from_text(cls, text: str) -> "ReceiptHead":
        """Read the text; Malformed unless `to_text` would write it."""
        lines = text.split("\n")
        if len(lines) != _LINES + 1 or lines[0] != FIRST_LINE or lines[-1]:
            raise Malformed("not the head of a tree of receipts")
        size = number(lines[2], "number of receipts")
        return cls(lines[1], size, octets(lines[3], "root of receipts", HASH))


class ReceiptTree:
    """Seals the receipts of one commit with one signature by the collector's key."""

    def __init__(self, key: SignerKey) -> None:
        self._key = key

    def seal(self, leaves: Sequence[bytes]) -> list[bytes]:
        """For each leaf, in the order given, the payload for its machine; [] for none."""
        if not leaves:
            return []
        rows = _rows([leaf_hash(leaf) for leaf in leaves])
        head = ReceiptHead(self._key.name, len(leaves), rows[-1][0])
        note = sign_note(head.to_text(), self._key)
        return [
            Receipt(leaf=leaf, index=index, path=_path(rows, index), note=note).to_bytes()
            for index, leaf in enumerate(leaves)
        ]


class ReceiptVerifier:
    """Checks receipts against collectors' keys that the operator's entries enrol.

    `origin` is the anchor's; collector `<id>` signs as `<origin>/collector/<id>`. With `ended`
    also keys that were rotated or revoked count. Heads are kept by their exact bytes, so one
    signature is verified a commit, not one a receipt.
    """

    def __init__(self, operator: VerifierKey, origin: str, *, ended: bool = False) -> None:
        self._authority = OperatorAuthority(operator)
        self._prefix = f"{origin}/collector/"
        # By origin, then by the entry that brought it: a collector's keys.
        self._keys: dict[str, dict[bytes, VerifierKey]] = {}
        # By origin: entries whose keys have ended, whether or not they have come yet.
        self._ended: dict[str, set[bytes]] = {}
        self._newest: dict[str, int] = {}
        self._ended_count = ended
        self._heads: OrderedDict[bytes, ReceiptHead] = OrderedDict()

    def admit(self, entry: bytes) -> None:
        """Take a collector's key entry, of any action; Malformed or Refused if bad.

        Refused is also what contradicts the entries taken before: no log will hold it. Entries
        between may have been missed: a rotation that the operator signed later than all that
        is known takes the place of all of it.
        """
        statement = self._authority.read(entry)
        if statement.kind != "collector":
            raise Refused(f"a key entry for a {statement.kind}, not for a collector")
        origin = self._prefix + statement.name
        keys, ended = self._keys.setdefault(origin, {}), self._ended.setdefault(origin, set())
        if statement.hash in keys:
            return
        self._check_follows(statement, set(keys), ended)
        if statement.prior is not None:
            ended.add(statement.prior)
            self._heads.clear()
        if statement.key is not None:
            if statement.hash not in ended:
                ended.update(keys)
            keys[statement.hash] = VerifierKey(origin, ED25519, statement.key)
            self._newest[origin] = max(self._newest.get(origin, 0), statement.time)

    def _check_follows(self, statement: KeyStatement, keys: set[bytes], ended: set[bytes]) -> None:
        """Refused unless an entry fits what is known of its collector."""
        if not keys | ended or statement.hash in ended:
            return
        later = statement.time > self._newest.get(self._prefix + statement.name, 0)
        fits = {
            "enrol": False,
            "rotate": statement.prior in keys - ended or (later and statement.prior not in ended),
            "revoke": statement.prior in keys | ended,
        }
        if not fits.get(statement.action, False):
            raise Refused(
                f"a key entry of collector {statement.name!r} that does not fit those known of it"
            )

    def check(self, payload: bytes) -> ReceiptLeaf:
        """The leaf of a receipt; Malformed or Refused unless signature and path hold."""
        try:
            receipt = Receipt.from_bytes(payload)
            leaf = ReceiptLeaf.from_bytes(receipt.leaf)
        except TelemetryError as error:
            raise Malformed(f"not a receipt: {error}") from error
        head = self._head(receipt.note)
        check_inclusion(
            leaf=leaf_hash(receipt.leaf),
            index=receipt.index,
            size=head.size,
            path=receipt.path,
            root=head.root,
        )
        return leaf

    def _head(self, data: bytes) -> ReceiptHead:
        known = self._heads.get(data)
        if known is not None:
            return known
        note = Note.from_bytes(data)
        head = ReceiptHead.from_text(note.text)
        key = self._signer(head.origin, note)
        if key is None:
            raise Refused(
                f"receipts signed by {head.origin!r}, whose key no entry has certified here; "
                "its key entry is on the topic ledger/collector/<id>"
            )
        note.signed_by(key)
        self._heads[data] = head
        if len(self._heads) > _KEPT:
            self._heads.popitem(last=False)
        return head

    def _signer(self, origin: str, note: Note) -> VerifierKey | None:
        """Give the certified key that a note names as its signer."""
        ended = set() if self._ended_count else self._ended.get(origin, set())
        for entry, key in self._keys.get(origin, {}).items():
            if entry not in ended and note.line_of(key) is not None:
                return key
        return None


def _rows(hashes: list[bytes]) -> list[list[bytes]]:
    """All rows of the tree, leaves first; a last node without partner is lifted as it is."""
    rows = [hashes]
    while len(rows[-1]) > 1:
        row = rows[-1]
        rows.append(parents(row) + (row[-1:] if len(row) % 2 else []))
    return rows


def _path(rows: list[list[bytes]], index: int) -> tuple[bytes, ...]:
    path = list[bytes]()
    for row in rows[:-1]:
        if index ^ 1 < len(row):
            path.append(row[index ^ 1])
        index >>= 1
    return tuple(path)
