"""Checks an evidence file against a policy, offline: whether one key said both.

The pinned keys decide, and nothing that stands beside them: the log's, the operator's for
whose key a machine's or a collector's is, the witnesses' for who cosigned both. What holds
shows that a key signed what contradicts itself; not who held the key.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from anchor.checkpoint import open_checkpoint
from anchor.cosignature import check_cosignature
from anchor.errors import AnchorError, Malformed, Refused
from anchor.evidence_file import (
    Evidence,
    ForkedCheckpoints,
    ForkedMessages,
    SignedMessage,
    evidence_from_bytes,
)
from anchor.key_entry import OperatorAuthority
from anchor.merkle import check_consistency
from anchor.note import ED25519, Note, VerifierKey
from anchor.policy import Policy
from anchor.reading.tile_view import TileView
from anchor.tree_head import Checkpoint
from telemetry.canonical import time_text
from telemetry.judgement import judge
from telemetry.keyring import Keyring, KeyStatement
from telemetry.message import Message

_COLLECTOR = "/collector/"


@dataclass(frozen=True, slots=True)
class Convicted:
    """Evidence that holds: `kind` is `fork` (messages) or `equivocation` (checkpoints).

    `blame` names the keys that signed both, the one whose log or machine it is first;
    `sentences` say what is shown, `not_proven` what is not.
    """

    kind: str
    blame: tuple[str, ...]
    sentences: tuple[str, ...]
    not_proven: tuple[str, ...]

    def lines(self) -> list[str]:
        """What is shown, who is to blame, what is not shown: a sentence a line."""
        blamed = f"To blame: {'; '.join(self.blame)}."
        return [*self.sentences, blamed, *(f"Not proven: {gap}" for gap in self.not_proven)]

    def to_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "holds": True,
            "kind": self.kind,
            "blame": list(self.blame),
            "lines": self.lines(),
            "not_proven": list(self.not_proven),
        }


def check_evidence(data: bytes, policy: Policy) -> Convicted:
    """Check a whole file; Refused, in one sentence, where it shows nothing.

    Malformed only where the policy cannot serve: it needs an operator to say whose key it is.
    """
    try:
        evidence = evidence_from_bytes(data)
    except Malformed as error:
        raise Refused(str(error)) from error
    return convict(evidence, policy)


def convict(evidence: Evidence, policy: Policy) -> Convicted:
    """Check evidence under the policy's keys; raises what `check_evidence` does."""
    if evidence.entry is not None and policy.operator is None:
        raise Malformed("the policy names no operator: a line `# factoryledger-operator` is due")
    try:
        if isinstance(evidence, ForkedMessages):
            return _convict_machine(evidence, policy)
        return _convict_log(evidence, policy)
    except Malformed as error:
        raise Refused(str(error)) from error


def contradiction(
    earlier: bytes, later: bytes, tree: TileView | None, entry: bytes | None = None
) -> ForkedCheckpoints | None:
    """Make evidence of two checkpoints' notes; None where they do not contradict each other.

    `tree` is that of the larger one, whose signature was checked; it is not asked where both
    are of one size. Signatures are for `convict` to check. Raises what `TileView` raises where
    the tree's own hashes do not lead to its root: then nothing can be shown.
    """
    first, second = _unsigned(earlier), _unsigned(later)
    if first.size > second.size:
        return contradiction(later, earlier, tree, entry)
    if first.size == second.size:
        same = first.root == second.root
        return None if same else ForkedCheckpoints.of_one_size(earlier, later, entry)
    if tree is None or tree.size != second.size:
        raise ValueError(f"the tree of size {second.size} is due to show a contradiction")
    root = tree.root(first.size)
    if root == first.root:
        return None
    return ForkedCheckpoints(earlier, later, root, tree.consistency(first.size), entry)


def _convict_machine(evidence: ForkedMessages, policy: Policy) -> Convicted:
    statement = _enrolment(evidence.entry, policy, "device")
    keyring = Keyring([replace(statement, action="enrol", prior=None)])
    one, two = (_message(said, keyring) for said in (evidence.first, evidence.second))
    if one.body == two.body:
        raise Refused("both are the same message: it came twice, which proves nothing")
    how = _conflict(one, two)
    if how is None:
        raise Refused("the two messages do not contradict each other: they may follow on")
    blame = f"device {one.device} key {one.key}"
    held = "" if statement.gateway is None else f" and gateway {statement.gateway} holds"
    return Convicted(
        "fork",
        (blame,),
        (
            (
                f"Key {one.key}, which the operator enrolled for machine {one.device}{held}, "
                f"signed {how}."
            ),
            *(f"{name}: {_shown(m)}." for name, m in (("One", one), ("The other", two))),
            (
                "A machine that keeps its outbox does that never: it was cloned, its key was "
                "copied, or its outbox was put back to an older state."
            ),
        ),
        (
            "which of the two the machine itself made, and who holds the key.",
            "that either was ever stored or anchored; `verify` shows that of a proof file.",
        ),
    )


def _conflict(one: Message, two: Message) -> str | None:
    if (one.session, one.seq) == (two.session, two.seq):
        also = " and one predecessor" if one.prev == two.prev else ""
        return f"two messages under one number{also}"
    # A session that lost its predecessor names none: two of those contradict nothing.
    if one.prev is not None and one.prev == two.prev:
        return "two messages that name one predecessor"
    return None


def _message(said: SignedMessage, keyring: Keyring) -> Message:
    found = judge(said.topic, said.payload, keyring, said.properties)
    if found.message is None:
        raise Refused(
            f"a message on topic {said.topic[:100]!r} judges as {found.status} under the enrolled "
            "key: nobody can be blamed for it"
        )
    return found.message


def _shown(message: Message) -> str:
    made = time_text(message.time)
    return f"session {message.session}, seq {message.seq}, made at {made} by its own clock"


def _convict_log(evidence: ForkedCheckpoints, policy: Policy) -> Convicted:
    first, second = _unsigned(evidence.first), _unsigned(evidence.second)
    key = _log_key(first.origin, evidence, policy)
    for note in (evidence.first, evidence.second):
        open_checkpoint(note, key)
    _check_contradiction(evidence, first, second)
    witnesses = tuple(_cosigned_both(evidence, policy))
    return Convicted(
        "equivocation",
        (key.name, *witnesses),
        tuple(_sentences(first, second, witnesses)),
        (
            "which of the two histories is true, and who holds the key.",
            "to whom each was shown.",
        ),
    )


def _sentences(first: Checkpoint, second: Checkpoint, witnesses: Sequence[str]) -> Iterator[str]:
    yield f"The key of log {first.origin} signed two histories: no one log has both."
    yield f"One: size {first.size}, root {first.root.hex()}."
    yield f"The other: size {second.size}, root {second.root.hex()}."
    if first.size < second.size:
        yield f"The larger tree has another root at size {first.size}, as its own hashes show."
    for name in witnesses:
        yield f"Witness {name} cosigned both, which a witness never does."


def _check_contradiction(
    evidence: ForkedCheckpoints, first: Checkpoint, second: Checkpoint
) -> None:
    if first.origin != second.origin:
        raise Refused(f"they are of two logs, {first.origin!r} and {second.origin!r}")
    if first.size == second.size:
        if evidence.root is not None or evidence.path:
            raise Malformed("a path between checkpoints of one size")
        if first.root == second.root:
            raise Refused("both checkpoints are of one size and one root: they agree")
        return
    if evidence.root is None or first.size > second.size:
        raise Refused("two sizes and no path from the smaller: they may be of one log")
    if evidence.root == first.root:
        raise Refused("the larger tree continues the smaller: they agree")
    # Only one root at this size leads to the larger tree, and it is not the one signed.
    check_consistency(
        old_size=first.size,
        old_root=evidence.root,
        size=second.size,
        root=second.root,
        path=evidence.path,
    )


def _cosigned_both(evidence: ForkedCheckpoints, policy: Policy) -> Iterator[str]:
    notes = [Note.from_bytes(note) for note in (evidence.first, evidence.second)]
    for witness in policy.witnesses.values():
        if all(_cosigned(note, witness.key) for note in notes):
            yield witness.key.name


def _cosigned(note: Note, key: VerifierKey) -> bool:
    """A line that does not hold blames nobody: anyone can write it."""
    try:
        return check_cosignature(note, key) is not None
    except AnchorError:
        return False


def _log_key(origin: str, evidence: ForkedCheckpoints, policy: Policy) -> VerifierKey:
    """The key of a log that the policy pins, or of a collector that its operator certified."""
    if evidence.entry is None:
        keys = [key for key in policy.logs if key.name == origin]
        if len(keys) != 1:
            raise Refused(f"the policy pins {len(keys)} logs of origin {origin!r}, not one")
        # A key that was rotated answers for all that it signed, up to whatever size.
        one, two = Note.from_bytes(evidence.first), Note.from_bytes(evidence.second)
        former = [each.key for each in policy.former if each.key.name == origin]
        signing = (key for key in former if one.line_of(key) and two.line_of(key))
        return next(signing, keys[0])
    statement = _enrolment(evidence.entry, policy, "collector")
    if origin not in [f"{log.name}{_COLLECTOR}{statement.name}" for log in policy.logs]:
        raise Refused(f"the key entry enrols collector {statement.name}, not {origin!r}")
    assert statement.key is not None
    return VerifierKey(origin, ED25519, statement.key)


def _enrolment(entry: bytes, policy: Policy, kind: str) -> KeyStatement:
    assert policy.operator is not None
    statement = OperatorAuthority(policy.operator).read(entry)
    if statement.kind != kind or statement.key is None:
        raise Refused(f"its key entry enrols no {kind}'s key")
    return statement


def _unsigned(note: bytes) -> Checkpoint:
    return Checkpoint.from_text(Note.from_bytes(note).text)
