"""The hops that every proof of ours takes from the pinned keys down, whatever it proves.

Each turns bytes that the hop before vouches for into the keys that the next one needs, or
ends it in one sentence that names the hop and the key to blame.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from anchor.errors import AnchorError, Refused
from anchor.key_entry import OperatorAuthority
from anchor.merkle import check_inclusion, leaf_hash
from anchor.note import ED25519, VerifierKey
from anchor.policy import Cosigned, Policy
from anchor.proof_file import IncludedEntry
from anchor.tlog_proof import TlogProof
from anchor.tree_head import Checkpoint
from anchor.verified import SECOND
from telemetry.canonical import END_OF_TIME, is_segment, plain
from telemetry.errors import TelemetryError
from telemetry.keyring import KeyStatement
from telemetry.message import Message
from telemetry.signature import key_id

MOST_KEYS: Final = 1000
"""Key entries of a proof: each is two signatures to check, and one machine has few keys."""


@dataclass(frozen=True, slots=True)
class Certified:
    """A collector whose key the operator certified in the anchor log."""

    collector: str
    key: VerifierKey


@contextmanager
def hop(what: str, blame: str) -> Iterator[None]:
    """Turn whatever fails inside into one sentence that names the hop and the key."""
    try:
        yield
    except (AnchorError, TelemetryError) as error:
        reason = plain(" ".join(str(error).split()))
        raise Refused(f"{what} does not hold ({blame}): {reason}") from error


def check_included(proof: TlogProof, entry: bytes, checkpoint: Checkpoint) -> None:
    """Refused unless an entry is where a tlog-proof says, in the tree of this checkpoint."""
    check_inclusion(
        leaf=leaf_hash(entry),
        index=proof.index,
        size=checkpoint.size,
        path=proof.path,
        root=checkpoint.root,
    )


def read_keys(
    keys: Sequence[IncludedEntry],
    *,
    anchored: Checkpoint,
    before: int,
    authority: OperatorAuthority,
) -> list[KeyStatement]:
    """What key entries say that the operator signed, in the log before entry `before`."""
    if len(keys) > MOST_KEYS:
        raise Refused(f"it holds {len(keys)} key entries; a proof has at most {MOST_KEYS}")
    return [_read_key(key, anchored, before, authority) for key in keys]


def _read_key(
    key: IncludedEntry, anchored: Checkpoint, before: int, authority: OperatorAuthority
) -> KeyStatement:
    statement = authority.read(key.entry)
    check_inclusion(
        leaf=leaf_hash(key.entry),
        index=key.index,
        size=anchored.size,
        path=key.path,
        root=anchored.root,
    )
    if key.index >= before:
        raise Refused(f"key entry {key.index} stands after the checkpoint that relies on it")
    return statement


def certified_collector(
    checkpoint: bytes, log: VerifierKey, statements: Sequence[KeyStatement]
) -> Certified:
    """The collector that the first key entry certifies, if the checkpoint is of that one."""
    if not statements:
        raise Refused("the proof holds no key entry for the collector")
    first = statements[0]
    # A rotation certifies its key by itself: the operator signed it, and the key's holder.
    if first.kind != "collector" or first.key is None:
        raise Refused("the first key entry does not enrol a collector")
    origin = checkpoint.partition(b"\n")[0].decode(errors="replace")
    prefix = f"{log.name}/collector/"
    if origin != prefix + first.name or not is_segment(first.name):
        raise Refused(f"the key entry enrols collector {first.name}, the record is of {origin!r}")
    return Certified(first.name, VerifierKey(origin, ED25519, first.key))


def holding_gateway(key: str | None, statements: Sequence[KeyStatement]) -> str | None:
    """The gateway that holds a key on behalf of its device, as its entry says; None: nobody."""
    bringing = (one for one in statements if one.key is not None and key_id(one.key) == key)
    return next((one.gateway for one in bringing), None)


def cited_checkpoint(
    note: bytes | None, message: Message | None, before: int, policy: Policy
) -> Cosigned | None:
    """The checkpoint that a message cites, from before it was anchored as entry `before`."""
    if note is None:
        return None
    if message is None or message.anchor is None:
        raise Refused("the proof holds a cited checkpoint, but the message cites none")
    if sha256(note).digest() != message.anchor.note:
        raise Refused("the message cites another checkpoint than the proof holds")
    cited = policy.open(note)
    if cited.checkpoint.size != message.anchor.size:
        raise Refused("the message cites the checkpoint with another size")
    if cited.checkpoint.size > before:
        raise Refused("the message cites a log that already had the entry that anchors it")
    return cited


def microseconds(seconds: int | None) -> int | None:
    """A time in microseconds; Refused where no calendar of ours has it."""
    if seconds is not None and seconds * SECOND >= END_OF_TIME:
        raise Refused(f"{seconds} seconds is after the year 9999")
    return None if seconds is None else seconds * SECOND
