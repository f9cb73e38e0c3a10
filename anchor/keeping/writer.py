"""The anchor log's one writer: entries in, a checkpoint out that can never be taken back.

Order is all: bundles and tiles on the disk, then the head in anchor.db, only then a
signature, and that over a root recomputed from what the disk gives back. One size never
gets two roots.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256

from anchor.checkpoint import Checkpoint, sign_checkpoint
from anchor.errors import Diverged, Malformed, Missing, Refused
from anchor.keeping.anchor_db import AnchorDb, Head, IndexRow
from anchor.keeping.contents import Contents, End, KeyAuthority, describe
from anchor.keeping.disk_tree import RESTORE, DiskTree
from anchor.keeping.index_check import check_index, index_broken
from anchor.keeping.log_folder import LogFolder
from anchor.keeping.right_edge import grow
from anchor.merkle import TILE_WIDTH, leaf_hash, root_from_tiles
from anchor.note import SignerKey
from anchor.policy import FormerLog, Policy
from anchor.policy_text import open_by_log
from anchor.tile import entries_path, pack_entries

# What one transaction of a recovery holds at most: a full tile of full tiles.
_ADOPT = TILE_WIDTH * TILE_WIDTH


@dataclass(frozen=True, slots=True)
class Published:
    """The checkpoint that the folder shows: its exact bytes and what it says."""

    note: bytes
    checkpoint: Checkpoint


class Writer:
    """Appends, signs and publishes; call `recover` first, and again after any error.

    Hold `folder.lock()` all the while. The key's name is the log's origin; `former` are the keys
    that may have signed what is published.
    """

    def __init__(
        self,
        folder: LogFolder,
        db: AnchorDb,
        key: SignerKey,
        former: Sequence[FormerLog] = (),
    ) -> None:
        self._folder = folder
        self._tree = DiskTree(folder)
        self._db = db
        self._key = key
        self._former = former
        self._head = Head()
        self._ends: dict[str, int] = {}
        self._clean = False
        self._reread = 0
        self.published: Published | None = None

    @property
    def origin(self) -> str:
        """The log's origin."""
        return self._key.name

    @property
    def size(self) -> int:
        """Entries committed."""
        return self._head.size

    # -- start ----------------------------------------------------------------------

    def recover(self, authority: KeyAuthority, time: int) -> Contents:
        """Compare folder and anchor.db, bring the one that is behind forward, give what is there.

        Entries that the folder holds beyond the database (a crash came between, or the
        database is lost) are judged as new ones are. Diverged when the folder is behind,
        or holds what cannot be: nothing is signed then. `time` (microseconds) stands for
        that of a publication which was never noted.
        """
        self._clean = False
        self._reread = 0
        self._folder.settle()
        head = self._db.head()
        self._head = head or Head()
        if head is not None:
            self._check_head(head)
        check_index(self._db, self.origin, self._head.size, self._entry)
        contents = self._contents(authority)
        while entries := self._beyond():
            self._admit_all(entries, contents)
            self._commit(entries)
        self._check_log_key(contents)
        self.published = self._check_published()
        if self.published is not None:
            note, size = self.published.note, self.published.checkpoint.size
            self._folder.keep(note)
            self._db.add_cosigned(sha256(note).digest(), size, time)
        return contents

    def _contents(self, authority: KeyAuthority) -> Contents:
        """What anchor.db says the log holds; what the operator signed is read and checked again."""
        ends = {name: End(number, size) for name, (number, size) in self._db.ends().items()}
        self._ends = {name: end.number for name, end in ends.items()}
        contents = Contents(self.origin, authority, ends=ends)
        for row in (*self._db.index("key"), *self._db.index("correction")):
            entry = self._entry(row.position)
            if sha256(entry).digest() != row.hash:
                raise self._tree.changed(f"entry {row.position} is not what anchor.db knows")
            try:
                if describe(self.origin, entry).kind != row.kind:
                    raise index_broken(self._db, f"a {row.kind} at {row.position}, which is none")
                contents.admit(entry)
            except (Malformed, Refused) as error:
                said = f"a {row.kind} at {row.position}, where the folder has none: {error}"
                raise index_broken(self._db, said) from error
        self._find_signers(contents)
        return contents

    def _check_log_key(self, contents: Contents) -> None:
        """Diverged where the log's entries say that another key signs it from now on."""
        key = contents.keyring.log_key
        if key not in {None, self._key.public_key}:
            raise Diverged(
                f"the key of log {self.origin} was rotated, and key {self._key.verifier.id.hex()} "
                "is not the new one: run `factoryledger keys rotate log` again, which completes it"
            )

    def _find_signers(self, contents: Contents) -> None:
        """Which key signed the last checkpoint of each collector whose key was rotated."""
        for name, end in contents.ends.items():
            if len(contents.keyring.collector_keys(name)) > 1:
                with suppress(Refused):  # revoked since: none of its keys signs again
                    keys = contents.collector_keys(name)
                    signer = keys.signer(self._entry(self._db.last_checkpoint(name)))
                    contents.ends[name] = replace(end, signer=signer or 0)

    def _entry(self, position: int) -> bytes:
        try:
            return next(self._folder.entries(position, position + 1))
        except (Missing, Malformed) as error:
            raise self._tree.changed(str(error)) from error

    def _beyond(self) -> list[bytes]:
        try:
            limit = _ADOPT - self._head.size % _ADOPT
            return self._folder.entries_beyond(self._head.size, limit)
        except Malformed as error:
            raise Diverged(f"the log in {self._folder.path}: {error}. {RESTORE}") from error

    def _check_head(self, head: Head) -> None:
        """The folder must hold what anchor.db says was committed."""
        try:
            root = root_from_tiles(head.size, self._folder.tile)
            if head.size:
                number, width = divmod(head.size - 1, TILE_WIDTH)
                self._folder.bundle(number, width + 1)
        except (Missing, Malformed) as error:
            raise Diverged(
                f"anchor.db knows {head.size} entries, the folder {self._folder.path} does not "
                f"hold them: {error}. {RESTORE}"
            ) from error
        if root != head.root:
            raise Diverged(
                f"the tiles in {self._folder.path} have another root at size {head.size} than "
                f"anchor.db. {RESTORE}"
            )

    def _admit_all(self, entries: Sequence[bytes], contents: Contents) -> None:
        for position, entry in enumerate(entries, self._head.size):
            try:
                contents.admit(entry)
            except (Malformed, Refused) as error:
                raise Diverged(
                    f"entry {position} in {self._folder.path} is not in anchor.db and may not be "
                    f"in this log: {error}. Something else wrote it; {RESTORE.lower()}"
                ) from error

    def _check_published(self) -> Published | None:
        note = self._folder.checkpoint()
        if note is None:
            return None
        where = self._folder.path / "checkpoint"
        try:
            checkpoint = open_by_log(note, self._key.verifier, self._former)
        except (Malformed, Refused) as error:
            raise Diverged(f"{where} is not signed by this log's key: {error}") from error
        if checkpoint.size > self._head.size:
            raise Diverged(
                f"{where} states {checkpoint.size} entries, {self._head.size} are there. {RESTORE}"
            )
        try:
            root = self.root_at(checkpoint.size)
        except (Missing, Malformed) as error:
            raise self._tree.changed(str(error)) from error
        if root != checkpoint.root:
            raise Diverged(f"{where} states another root than the tiles have. {RESTORE}")
        return Published(note, checkpoint)

    # -- append ---------------------------------------------------------------------

    def append(self, entries: Sequence[bytes]) -> Checkpoint:
        """Append entries durably; the head after them, not yet signed.

        Malformed, and nothing appended, for one that is no entry of this log or larger than
        65,535 bytes. After any other error call `recover` before anything else.
        """
        if entries:
            for entry in entries:
                describe(self.origin, entry)
            if not self._clean:
                # Files of an append that was never committed, behind a gap that a power cut
                # left: nobody was ever told of them, and they would stand in the way.
                self._folder.remove(self._folder.leftovers(self._head.size))
                self._clean = True
            self._commit(entries)
        return self.checkpoint()

    def checkpoint(self) -> Checkpoint:
        """The committed head, as the checkpoint that may be signed."""
        return Checkpoint(self.origin, self._head.size, self._head.root)

    def _commit(self, entries: Sequence[bytes]) -> None:
        size = self._head.size + len(entries)
        rows = self._rows(entries)
        leaves = [leaf_hash(entry) for entry in entries]
        tiles = grow(self._head.size, leaves, self._folder.tile)
        files = self._bundles(entries) + [(tile.path, data) for tile, data in tiles]
        self._folder.put(files)
        # Crash here: the entries are found in the folder and taken on at the next start.
        head = Head(size, root_from_tiles(size, self._folder.tile))
        self._db.extend(rows, head)
        # Crash here: the head is committed, the next start signs exactly this root.
        self._head = head
        for row in rows:
            if row.collector is not None and row.number is not None:
                self._ends[row.collector] = row.number + 1

    def _rows(self, entries: Sequence[bytes]) -> list[IndexRow]:
        rows, numbers = list[IndexRow](), dict[str, int]()
        for position, entry in enumerate(entries, self._head.size):
            found = describe(self.origin, entry)
            number = None
            if found.collector is not None:
                known = self._ends.get(found.collector, 0)
                number = numbers.get(found.collector, known)
                numbers[found.collector] = number + 1
            digest = sha256(entry).digest()
            rows.append(IndexRow(position, digest, found.kind, found.collector, number, found.size))
        return rows

    def _bundles(self, entries: Sequence[bytes]) -> list[tuple[str, bytes]]:
        number, width = divmod(self._head.size, TILE_WIDTH)
        row = (self._begun(number, width) if width else []) + list(entries)
        files = list[tuple[str, bytes]]()
        for offset in range(0, len(row), TILE_WIDTH):
            chunk = row[offset : offset + TILE_WIDTH]
            path = entries_path(number + offset // TILE_WIDTH, len(chunk))
            files.append((path, pack_entries(chunk)))
        return files

    def _begun(self, number: int, width: int) -> list[bytes]:
        """The entries of the bundle that is not full yet, which go into a wider file now.

        Checked: what the disk changed would be written again, and outlive the file it was in.
        """
        try:
            row = self._folder.bundle(number, width)
            if b"".join(map(leaf_hash, row)) != self._folder.tile(0, number, width):
                raise self._tree.changed(f"{entries_path(number, width)} is not what its tile says")
        except (Missing, Malformed) as error:
            raise self._tree.changed(str(error)) from error
        return row

    # -- sign and publish -------------------------------------------------------------

    def is_due(self, policy: Policy) -> bool:
        """Whether a checkpoint must be signed and published: new entries, or a new policy."""
        if self.published is None or self.published.checkpoint.size < self.size:
            return self.size > 0
        try:
            policy.open(self.published.note)
        except Refused:
            return True
        return False

    def sign(self) -> bytes:
        """Sign the committed head, over what the disk gives back; the same head, the same bytes.

        Diverged, and no signature, when the disk gives back anything but what was committed.
        """
        shown = self.published.checkpoint.size if self.published else 0
        self._tree.check(max(self._reread, shown), self.size, self._head.root)
        self._reread = self.size
        return sign_checkpoint(self.checkpoint(), self._key)

    def root_at(self, size: int) -> bytes:
        """The root of this log's first `size` entries, from the disk."""
        return self._tree.root(size)

    def consistency(self, old: int, size: int) -> tuple[bytes, ...]:
        """The path from the tree of `old` entries to that of `size`, checked; see DiskTree."""
        return self._tree.consistency(old, size)

    def publish(self, note: bytes, policy: Policy, time: int) -> None:
        """Let a checkpoint that meets the policy be the log's; `time` in microseconds.

        Refused, and nothing published, if it does not meet the policy, is not of this
        tree, or is older than the published one.
        """
        checkpoint = policy.open(note).checkpoint
        if checkpoint.size > self.size or self.root_at(checkpoint.size) != checkpoint.root:
            raise Refused(f"the checkpoint at size {checkpoint.size} is not one of this log")
        before = self.published.checkpoint.size if self.published else 0
        if checkpoint.size < before:
            raise Refused(f"size {checkpoint.size} is older than the published {before}")
        self._folder.publish(note)
        # Crash here: it is published; the next start notes it in anchor.db.
        self.published = Published(note, checkpoint)
        self._db.add_cosigned(sha256(note).digest(), checkpoint.size, time)
        if checkpoint.size // TILE_WIDTH > before // TILE_WIDTH:
            self._folder.sweep()
