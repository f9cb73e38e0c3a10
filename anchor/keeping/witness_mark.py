"""How far each key of a witness has cosigned, kept beside the keys and apart from its state.

A key that goes on from an older state, or from none, could cosign a second history. So its
start holds the state against this mark: what fell behind is no state of that key's any more.
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from threading import Lock

import structlog

from anchor.checkpoint import Checkpoint, check_log_signature
from anchor.cosignature import check_cosignature
from anchor.errors import Diverged, Malformed, Refused
from anchor.keeping.durable import Durable
from anchor.keeping.witness_db import WitnessState
from anchor.note import Note, SignerKey, VerifierKey
from anchor.spelling import decoded, number

_FIRST = "factoryledger witness mark v1"
_MOST = 1 << 24
_RETIRED = (
    "it could cosign a second history, so it signs nothing more: put back the newest state, or "
    "give this witness another key (`factoryledger keys rotate witness`)"
)
_log = structlog.get_logger("witness")


class WitnessMark:
    """The file of one witness: for each of its keys and each log the largest size cosigned.

    One line each, `<SHA-256 of the key, hexadecimal> <size> <origin>`, sorted. Errors: Malformed
    for a file that is none, OSError and DiskFailed as `Durable` has them.
    """

    def __init__(self, path: Path, durable: Durable | None = None) -> None:
        self.path = path
        self._durable = durable or Durable()
        self._lock = Lock()
        self._reached = self._read()

    def _read(self) -> dict[tuple[str, str], int]:
        try:
            with self.path.open("rb") as file:
                data = file.read(_MOST)
        except FileNotFoundError:
            return {}
        try:
            reached = from_bytes(data)
        except Malformed as error:
            raise Malformed(f"{self.path}: {error}; put it back from a backup") from error
        return reached

    def reached(self, key: VerifierKey) -> dict[str, int]:
        """The largest size that this key cosigned, of each log's origin."""
        return {origin: size for (name, origin), size in self._reached.items() if name == _of(key)}

    def reach(self, keys: Sequence[VerifierKey], origin: str, size: int) -> None:
        """Note, durably on return, that these keys cosign this size; it never goes back."""
        with self._lock:
            more = {
                (_of(key), origin): size
                for key in keys
                if self._reached.get((_of(key), origin), -1) < size
            }
            if more:
                reached = self._reached | more
                self._durable.replace(self.path, to_bytes(reached))
                # Only now: a write that failed is tried again.
                self._reached = reached


def from_bytes(data: bytes) -> dict[tuple[str, str], int]:
    """Read a mark: size by key and origin; Malformed unless `to_bytes` would write it."""
    first, *lines = decoded(data, "the mark").split("\n")
    reached = dict[tuple[str, str], int]()
    for line in lines[:-1]:
        key, _, rest = line.partition(" ")
        size, _, origin = rest.partition(" ")
        reached[key, origin] = number(size, "size")
    if first != _FIRST or to_bytes(reached) != data:
        raise Malformed("this is no witness's mark of what it cosigned")
    return reached


def to_bytes(reached: dict[tuple[str, str], int]) -> bytes:
    """The file of a mark."""
    lines = [f"{key} {size} {origin}" for (key, origin), size in sorted(reached.items())]
    return "".join(f"{line}\n" for line in [_FIRST, *lines]).encode()


def keys_that_remember(
    keys: Sequence[SignerKey],
    logs: Sequence[VerifierKey],
    state: WitnessState,
    mark: WitnessMark,
) -> list[SignerKey]:
    """The keys that may go on from this state; one that has forgotten is said, and left out.

    What they cosigned by the state and the mark has not yet is marked, as after an upgrade.
    Diverged where none may, or where the state contradicts itself.
    """
    for origin in {log.name for log in logs}:
        _check_row(origin, keys, [log for log in logs if log.name == origin], state)
    fit, forgot = list[SignerKey](), ""
    for key in keys:
        why = _forgotten(key.verifier, state, mark)
        if why is None:
            fit.append(key)
        else:
            forgot = f"key {key.verifier.id.hex()} of {key.name} {why}"
            _log.error("witness-key-forgot", key=key.verifier.id.hex(), reason=why)
    if not fit:
        raise Diverged(f"{forgot}: {_RETIRED}")
    for origin in {log.name for log in logs}:
        seen = state.latest(origin)
        if seen is not None:
            note = Note.from_bytes(seen.note)
            made = [key.verifier for key in fit if note.line_of(key.verifier)]
            mark.reach(made, origin, seen.size)
    return fit


def _forgotten(key: VerifierKey, state: WitnessState, mark: WitnessMark) -> str | None:
    for origin, size in mark.reached(key).items():
        seen = state.latest(origin)
        if seen is None or seen.size < size:
            there = "nothing" if seen is None else f"{seen.size}"
            return f"has cosigned {size} entries of {origin}, its state {state.path} says {there}"
    return None


def _check_row(
    origin: str, keys: Sequence[SignerKey], logs: Sequence[VerifierKey], state: WitnessState
) -> None:
    """What is kept of one log must be what its note says, and the note be signed as it was."""
    seen = state.latest(origin)
    if seen is None:
        return
    try:
        note = Note.from_bytes(seen.note)
        head = Checkpoint.from_text(note.text)
        same = (head.origin, head.size, head.root) == (origin, seen.size, seen.root)
        for log in logs:
            if note.line_of(log):
                check_log_signature(note, log)
        for key in keys:
            if note.line_of(key.verifier):
                check_cosignature(note, key.verifier)
    except (Malformed, Refused) as error:
        raise _changed(origin, state, error) from error
    if not same:
        raise _changed(origin, state, "it is not what its own note says")


def _changed(origin: str, state: WitnessState, why: object) -> Diverged:
    return Diverged(
        f"{state.path}: what was cosigned last of {origin} was changed: {why}. Put back the "
        "newest state; a witness does not go on from one that is not its own"
    )


def _of(key: VerifierKey) -> str:
    return sha256(str(key).encode()).hexdigest()
