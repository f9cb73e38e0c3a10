"""What a verifier pins: C2SP tlog-policy, and the operator's key in one comment line.

Pure. A policy opens checkpoints: the log's signature, every known witness's, the quorum,
and from the witnesses' times what they bound. No trust comes from anywhere else.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Self, TypeAlias

from anchor.checkpoint import Checkpoint, check_log_signature
from anchor.cosignature import check_cosignature
from anchor.errors import Malformed, Refused
from anchor.note import Note, VerifierKey
from anchor.policy_text import (
    FORMER_COMMENT,
    NONE,
    OPERATOR_COMMENT,
    FormerLog,
    Group,
    Witness,
    items_of,
    read_policy,
)
from telemetry.message import Cited

__all__ = [
    "CheckpointVerifier",
    "Cosigned",
    "FormerLog",
    "Group",
    "Policy",
    "Witness",
    "rotate_in_policy",
    "write_policy",
]

_Octets: TypeAlias = bytes


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint that a policy opened.

    `times` holds for each witness that cosigned, by its name in the policy, when it did
    (POSIX seconds; 0 where an ML-DSA-44 cosigner does not say). `bytes` is the whole note.
    """

    checkpoint: Checkpoint
    times: dict[str, int]
    bytes: _Octets

    @property
    def hash(self) -> _Octets:
        """SHA-256 of the whole note: how messages cite it."""
        return sha256(self.bytes).digest()


@dataclass(frozen=True, slots=True)
class Policy:
    """Logs, witnesses by name, groups in order of definition, the quorum's name, the operator.

    `former` are keys that signed a log before, each up to a size.
    """

    logs: tuple[VerifierKey, ...]
    witnesses: dict[str, Witness] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()
    quorum: str = NONE
    operator: VerifierKey | None = None
    former: tuple[FormerLog, ...] = ()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a policy file; Malformed names the line that tlog-policy does not allow."""
        lines = read_policy(data)
        return cls(
            logs=tuple(lines.logs),
            witnesses=dict(lines.witnesses),
            groups=tuple(lines.groups),
            quorum=lines.required_quorum(),
            operator=lines.operator,
            former=tuple(lines.former),
        )

    @property
    def log(self) -> VerifierKey:
        """The one log of a policy of ours; Malformed if it has none or several."""
        if len(self.logs) != 1:
            raise Malformed(f"the policy names {len(self.logs)} logs where one is due")
        return self.logs[0]

    def met_by(self, names: Iterable[str]) -> bool:
        """Whether cosignatures by these witnesses, by name, meet the quorum."""
        met = set(names) & self.witnesses.keys()
        for group in self.groups:
            # A member was defined before its group, so its own answer is already known.
            if sum(member in met for member in group.members) >= group.threshold:
                met.add(group.name)
        return self.quorum == NONE or self.quorum in met

    def lacking(self, names: Iterable[str]) -> int:
        """How many more witnesses, at least, would have to cosign for the quorum to be met."""
        met = set(names)
        lacks = {name: int(name not in met) for name in self.witnesses}
        for group in self.groups:
            # Each name is a member of one group at most, so nobody counts twice.
            lacks[group.name] = sum(sorted(lacks[m] for m in group.members)[: group.threshold])
        return 0 if self.quorum == NONE else lacks[self.quorum]

    def open(self, note: bytes) -> Cosigned:
        """Check a log's signature, every known witness's, and the quorum.

        Refused if the log is not one of ours, a known key's signature is false, or the
        quorum is not met; Malformed if it is no checkpoint.
        """
        cosigned = self.read(note)
        if not self.met_by(cosigned.times):
            has = ", ".join(cosigned.times) or "none"
            raise Refused(f"the quorum {self.quorum!r} is not met; cosigned by: {has}")
        return cosigned

    def read(self, note: bytes) -> Cosigned:
        """Check all but the quorum: what the log signed, whoever cosigned it."""
        opened = Note.from_bytes(note)
        checkpoint = Checkpoint.from_text(opened.text)
        self._check_log(opened, checkpoint.origin)
        times = dict[str, int]()
        for name, witness in self.witnesses.items():
            time = check_cosignature(opened, witness.key)
            if time is not None:
                times[name] = time
        return Cosigned(checkpoint, times, note)

    def not_before(self, cosigned: Cosigned) -> int | None:
        """The latest T (POSIX seconds) such that cosignatures from T on meet the quorum.

        Whatever cites the checkpoint was made after T. None where no time is known.
        """
        return self._bound(cosigned, reversed, lambda time, bound: time >= bound)

    def not_after(self, cosigned: Cosigned) -> int | None:
        """The earliest T (POSIX seconds) such that cosignatures until T meet the quorum.

        Whatever the checkpoint's tree contains was there by T. None where no time is known.
        """
        return self._bound(cosigned, iter, lambda time, bound: time <= bound)

    def _bound(
        self,
        cosigned: Cosigned,
        order: Callable[[Sequence[int]], Iterable[int]],
        counts: Callable[[int, int], bool],
    ) -> int | None:
        if self.quorum == NONE:
            return None
        # A time of 0 is no statement about time: such a cosignature bounds nothing.
        timed = {name: time for name, time in cosigned.times.items() if time}
        for bound in order(sorted(timed.values())):
            if self.met_by(name for name, time in timed.items() if counts(time, bound)):
                return bound
        return None

    def _check_log(self, note: Note, origin: str) -> None:
        candidates = [key for key in self.logs if key.name == origin]
        if not candidates:
            raise Refused(f"the policy names no log of origin {origin!r}")
        signing = [key for key in candidates if note.line_of(key)]
        if not signing and any(one.open(note.to_bytes()) for one in self.former):
            return
        signing = signing or candidates
        for key in signing:
            check_log_signature(note, key)


class CheckpointVerifier:
    """Tells what a message may cite: the cosigned checkpoints of the policy's one log."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def check(self, note: bytes) -> Cited:
        """Size and hash of a checkpoint that the policy opens; Malformed or Refused if not."""
        cosigned = self._policy.open(note)
        return Cited(size=cosigned.checkpoint.size, note=cosigned.hash)


def write_policy(
    log: VerifierKey,
    operator: VerifierKey | None,
    witnesses: Iterable[Witness],
    quorum: str | int,
) -> bytes:
    """A policy file; Malformed if its own reader would refuse it.

    `quorum` is `none`, a witness's name, `any`, `all`, or how many of the witnesses.
    """
    known = [replace(witness, url=witness.url or None) for witness in witnesses]
    lines = [] if operator is None else [f"# {OPERATOR_COMMENT} {operator}"]
    lines.append(f"log {log}")
    lines += [f"witness {w.name} {w.key}{f' {w.url}' if w.url else ''}" for w in known]
    names = [w.name for w in known]
    if str(quorum) == NONE or quorum in names:
        lines.append(f"quorum {quorum}")
    else:
        lines.append(f"group enough-witnesses {quorum} {' '.join(names)}")
        lines.append("quorum enough-witnesses")
    data = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    read = Policy.from_bytes(data)
    if (read.logs, read.operator, [*read.witnesses.values()]) != ((log,), operator, known):
        # A name or URL with a newline in it would have written lines of its own.
        raise Malformed("a witness's name or URL cannot stand in a policy")
    return data


def rotate_in_policy(data: bytes, key: VerifierKey, size: int) -> bytes:
    """A policy in which `key` is its log's; the one before counts up to `size`. The rest stands."""
    before = Policy.from_bytes(data).log
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    changed = list[str]()
    for line in lines:
        words = items_of(line)
        if words[:2] == ["log", str(before)]:
            changed.append(f"# {FORMER_COMMENT} {before} {size}")
            changed.append(" ".join(["log", str(key), *words[2:]]))
        else:
            changed.append(line)
    found = "\n".join(changed).encode("utf-8", "surrogateescape")
    if Policy.from_bytes(found).log != key or key.name != before.name:
        raise Malformed(f"key {key.name} cannot take the place of the log {before.name}")
    return found
