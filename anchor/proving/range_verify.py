"""Verifies a range file against a policy, offline: every message, and what is missing between.

The hops are those of a single proof, taken once for all messages of a collector's log. That
nothing is missing is shown as far as the machine's own numbers and `prev` hashes show it.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from types import MappingProxyType

from anchor.checkpoint import open_checkpoint
from anchor.errors import Malformed, Refused
from anchor.key_entry import OperatorAuthority
from anchor.ledgers.ledger import Voucher
from anchor.merkle import leaf_hash
from anchor.policy import Cosigned, Policy
from anchor.proving.hops import (
    Certified,
    certified_collector,
    check_included,
    cited_checkpoint,
    hop,
    microseconds,
    read_keys,
)
from anchor.proving.outside import Outside, read_outside, vouching
from anchor.range_file import ErasedMessage, RangeFile, RangeMessage, RangePart
from anchor.range_verified import Proved, VerifiedRange
from anchor.shared_paths import check_shared
from anchor.time_bounds import Bound, not_after, not_before
from telemetry.judgement import judge
from telemetry.keyring import Keyring, KeyStatement
from telemetry.message import Message
from telemetry.record import Record


@dataclass(frozen=True, slots=True)
class _Part:
    """What one part gave: its messages, how far it is anchored and cited."""

    proved: list[Proved]
    collector: str
    anchored: Cosigned
    before: Bound | None
    after: Bound | None
    outside: Outside


def verify_range(
    data: bytes, policy: Policy, vouchers: Mapping[str, Voucher] = MappingProxyType({})
) -> VerifiedRange:
    """Verify a range file; Refused, in one sentence, at the first hop that does not hold.

    `vouchers` are the outside ledgers that the verifier pinned, by name.
    Malformed only where the policy itself cannot serve: no single log, or no operator.
    """
    if policy.operator is None:
        raise Malformed("the policy names no operator: a line `# factoryledger-operator` is due")
    with hop("The range file", "whoever wrote it"):
        file = RangeFile.from_bytes(data)
        if not file.parts or file.start >= file.stop:
            raise Refused("it holds no message, or its time ends before it begins")
    parts = [_verify_part(part, file, policy, vouchers) for part in file.parts]
    with hop("The range", "whoever wrote it"):
        proved = _each_once([one for part in parts for one in part.proved])
    before, after = _first_not_before(parts, proved[0]), _latest([part.after for part in parts])
    return VerifiedRange(
        device=file.device,
        start=file.start,
        stop=file.stop,
        metric=file.metric,
        messages=tuple(proved),
        collectors=tuple(part.collector for part in parts),
        log=policy.log.name,
        witnesses=tuple(parts[0].anchored.times),
        quorum=policy.quorum,
        unwitnessed=policy.met_by(()),
        not_before=microseconds(before.time if before else None),
        not_after=microseconds(after.time if after else None),
        before_by=vouching(before),
        after_by=vouching(after),
        stamps=tuple(stamp for part in parts for stamp in part.outside.stamps),
        outside_open=tuple(dict.fromkeys(gap for part in parts for gap in part.outside.open())),
    )


def _verify_part(
    part: RangePart, file: RangeFile, policy: Policy, vouchers: Mapping[str, Voucher]
) -> _Part:
    log, operator = policy.log, policy.operator
    assert operator is not None
    with hop("The anchor log's checkpoint", f"log key {log.name} or a witness"):
        anchored = policy.open(part.checkpoint_proof.checkpoint)
    with hop("The collector's checkpoint in the anchor log", f"log key {log.name}"):
        check_included(part.checkpoint_proof, part.checkpoint, anchored.checkpoint)
    with hop("The key entries", f"operator key {operator.name}"):
        statements = read_keys(
            part.keys,
            anchored=anchored.checkpoint,
            before=part.checkpoint_proof.index,
            authority=OperatorAuthority(operator),
        )
        certified = certified_collector(part.checkpoint, log, statements)
    with hop("The messages", f"collector key {certified.key.name}"):
        _check_named(part)
        proved = list(_proved(part, file.device, certified, statements))
        _check_places(part, proved, certified)
    with hop("The checkpoint that the first message cites", f"log key {log.name} or a witness"):
        cited = cited_checkpoint(part.cited, proved[0].message, part.checkpoint_proof.index, policy)
    outside = read_outside(
        part.stamped,
        entry=part.checkpoint,
        index=part.checkpoint_proof.index,
        anchored=anchored,
        policy=policy,
        vouchers=vouchers,
    )
    with hop("The witnesses' times", "a witness"):
        before = not_before(policy, cited) if cited else None
        after = not_after(policy, outside.containing, outside.stamps)
        for bound in (before, after):
            microseconds(bound.time if bound else None)
    return _Part(proved, certified.collector, anchored, before, after, outside)


def _check_named(part: RangePart) -> None:
    """Each topic and key entry is there once, in the order in which messages name them first."""
    whole = [message for message in part.messages if isinstance(message, RangeMessage)]
    topics = list(dict.fromkeys(message.topic for message in whole))
    entries = list(dict.fromkeys(message.entry for message in whole))
    if topics != list(range(len(set(part.topics)))) or len(topics) != len(part.topics):
        raise Refused("its topics are not those that its messages name, each once")
    if entries != list(range(1, len(part.keys))):
        raise Refused("its key entries are not those that its messages rest on, each once")


def _check_places(part: RangePart, proved: Sequence[Proved], certified: Certified) -> None:
    checkpoint = open_checkpoint(part.checkpoint, certified.key)
    leaves = {one.position: leaf_hash(one.record) for one in proved}
    if len(leaves) != len(proved) or [one.position for one in proved] != sorted(leaves):
        raise Refused("its messages are not in the order of their positions, each once")
    check_shared(leaves, size=checkpoint.size, hashes=part.hashes, root=checkpoint.root)


def _proved(
    part: RangePart, device: str, certified: Certified, statements: Sequence[KeyStatement]
) -> Iterator[Proved]:
    keyrings = [_keyring(statement) for statement in statements]
    for message in part.messages:
        if isinstance(message, ErasedMessage):
            yield _erased(message, device, certified)
            continue
        if not 1 <= message.entry < len(statements) or message.topic >= len(part.topics):
            raise Refused(f"message {message.position} rests on a key entry that is not there")
        topic, statement = part.topics[message.topic], statements[message.entry]
        found = judge(topic, message.payload, keyrings[message.entry], message.properties)
        if found.status != "accepted" or found.device != device or found.message is None:
            raise Refused(
                f"message {message.position} judges as {found.status}, and is to be signed by "
                f"{device}"
            )
        record = _record(message, topic, statement, found.body_hash, found.message)
        yield Proved(
            collector=certified.collector,
            position=message.position,
            received=message.received,
            record=record,
            session=found.message.session,
            seq=found.message.seq,
            body=found.body_hash or b"",
            message=found.message,
            gateway=statement.gateway,
        )


def _keyring(statement: KeyStatement) -> Keyring:
    """What one entry alone enrols: whose key it is, whatever ended it later."""
    keyring = Keyring()
    if statement.kind == "device" and statement.key is not None:
        keyring.apply(replace(statement, action="enrol", prior=None))
    return keyring


def _record(
    message: RangeMessage, topic: str, statement: KeyStatement, body: bytes | None, said: Message
) -> bytes:
    """The record that a collector writes of a message that it accepts."""
    return Record(
        received=message.received,
        original=message.original,
        topic=topic,
        properties=message.properties,
        status="accepted",
        device=said.device,
        session=said.session,
        seq=said.seq,
        key=said.key,
        keys=message.keys,
        entry=statement.hash,
        payload=sha256(message.payload).digest(),
        body=body,
    ).to_bytes()


def _erased(message: ErasedMessage, device: str, certified: Certified) -> Proved:
    record = Record.from_bytes(message.record)
    if record.status != "accepted" or record.device != device:
        raise Refused(f"message {message.position} is no accepted one of {device}")
    assert record.session is not None
    assert record.seq is not None
    return Proved(
        collector=certified.collector,
        position=message.position,
        received=record.received,
        record=message.record,
        session=record.session,
        seq=record.seq,
        body=record.body or b"",
        message=None,
    )


def _each_once(proved: list[Proved]) -> list[Proved]:
    """All messages in order of session and number, sessions by when they were received first."""
    begun: dict[str, int] = {}
    for one in proved:
        begun[one.session] = min(begun.get(one.session, one.received), one.received)
    ordered = sorted(proved, key=lambda one: (begun[one.session], one.session, one.seq))
    for one, other in itertools.pairwise(ordered):
        if (one.session, one.seq) == (other.session, other.seq):
            raise Refused(f"it holds message {one.seq} of session {one.session} twice")
    return ordered


def _first_not_before(parts: Sequence[_Part], first: Proved) -> Bound | None:
    """What the first message of all cites bounds it: in a log a later one may stand before it."""
    bounds = [part.before for part in parts if part.proved[0] is first]
    return bounds[0] if len(parts) == 1 and bounds else None


def _latest(bounds: Sequence[Bound | None]) -> Bound | None:
    known = [bound for bound in bounds if bound is not None]
    return max(known, key=lambda one: one.time) if len(known) == len(bounds) else None
