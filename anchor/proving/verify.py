"""Verifies a proof file against a policy, offline; no trust comes from beside the proof.

Hop by hop, from the pinned keys down to the payload. Whatever comes out was read from bytes
that the hop before vouches for. The first hop that fails ends it, in one sentence that says
which hop it was and under whose key.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from types import MappingProxyType

from anchor.checkpoint import open_checkpoint
from anchor.corrected import Corrections, open_about_corrections
from anchor.errors import Malformed, Refused
from anchor.key_entry import OperatorAuthority
from anchor.ledgers.ledger import Voucher
from anchor.policy import Cosigned, Policy
from anchor.proof_file import ProofFile
from anchor.proving.corrections import Proved, check_corrections
from anchor.proving.hops import (
    Certified,
    certified_collector,
    check_included,
    cited_checkpoint,
    holding_gateway,
    hop,
    microseconds,
    read_keys,
)
from anchor.proving.outside import Outside, read_outside, vouching
from anchor.time_bounds import Bound, not_after, not_before
from anchor.tlog_proof import TlogProof
from anchor.verified import Verified, between
from telemetry.judgement import Judgement, judge
from telemetry.keyring import Keyring, KeyStatement
from telemetry.message import Message
from telemetry.record import Record

_REJUDGED = frozenset({"accepted", "conflict", "revoked", "unsigned", "malformed"})
"""What can be judged again from a proof alone; the rest needs every key ever enrolled."""


@dataclass(frozen=True, slots=True)
class _Hops:
    """What each hop gave, once it held."""

    file: ProofFile
    record: Record
    certified: Certified
    judgement: Judgement | None
    anchored: Cosigned
    cited: Cosigned | None
    outside: Outside
    gateway: str | None

    @property
    def message(self) -> Message | None:
        """The machine's message, where its signature was checked here."""
        return self.judgement.message if self.judgement else None


def verify(
    proof: bytes, policy: Policy, vouchers: Mapping[str, Voucher] = MappingProxyType({})
) -> Verified:
    """Verify a proof file; Refused, in one sentence, at the first hop that does not hold.

    `vouchers` are the outside ledgers that the verifier pinned, by name; receipts of others
    bound nothing. Malformed only where the policy itself cannot serve: no single log, or no
    operator.
    """
    operator, log = policy.operator, policy.log
    if operator is None:
        raise Malformed("the policy names no operator: a line `# factoryledger-operator` is due")
    with hop("The proof file", "whoever wrote it"):
        file = ProofFile.from_bytes(proof)
    with hop("The anchor log's checkpoint", f"log key {log.name} or a witness"):
        anchored = policy.open(file.checkpoint_proof.checkpoint)
    with hop("The collector's checkpoint in the anchor log", f"log key {log.name}"):
        check_included(file.checkpoint_proof, file.message_proof.checkpoint, anchored.checkpoint)
    with hop("The key entries", f"operator key {operator.name}"):
        statements = read_keys(
            file.keys,
            anchored=anchored.checkpoint,
            before=file.checkpoint_proof.index,
            authority=OperatorAuthority(operator),
        )
        certified = certified_collector(file.message_proof.checkpoint, log, statements)
    with hop("The record in the collector's log", f"collector key {certified.key.name}"):
        checkpoint = open_checkpoint(file.message_proof.checkpoint, certified.key)
        check_included(file.message_proof, file.record, checkpoint)
        record = Record.from_bytes(file.record)
    with hop("The payload", f"collector key {certified.key.name}"):
        judgement = _judged(file, record, statements[1:])
    with hop("The checkpoint that the message cites", f"log key {log.name} or a witness"):
        message = judgement.message if judgement else None
        cited = cited_checkpoint(file.cited, message, file.checkpoint_proof.index, policy)
    outside = read_outside(
        file.stamped,
        entry=file.message_proof.checkpoint,
        index=file.checkpoint_proof.index,
        anchored=anchored,
        policy=policy,
        vouchers=vouchers,
    )
    gateway = holding_gateway(record.key, statements[1:])
    hops = _Hops(file, record, certified, judgement, anchored, cited, outside, gateway)
    with hop("A correction", f"operator key {operator.name}, the log's or a witness"):
        corrections = check_corrections(file.corrections, _proved(file, hops), policy)
    with hop("The witnesses' times", "a witness"):
        before = not_before(policy, cited) if cited else None
        after = not_after(policy, outside.containing, outside.stamps)
        for bound in (before, after):
            microseconds(bound.time if bound else None)
    return _verified(hops, policy, before, after, corrections)


def _proved(file: ProofFile, hops: _Hops) -> Proved:
    return Proved(
        anchoring=file.message_proof.checkpoint,
        index=file.checkpoint_proof.index,
        collector=hops.certified.collector,
        position=file.message_proof.index,
        record=file.record,
        scans=hops.message.scans if hops.message else None,
    )


def verify_tlog(proof: bytes, entry: bytes, policy: Policy) -> Cosigned:
    """Verify any C2SP tlog-proof of an entry's bytes; the leaf hash is RFC 9162's.

    Malformed or Refused say what does not hold.
    """
    opened = TlogProof.from_bytes(proof)
    cosigned = policy.open(opened.checkpoint)
    check_included(opened, entry, cosigned.checkpoint)
    return cosigned


def _judged(
    file: ProofFile, record: Record, statements: Sequence[KeyStatement]
) -> Judgement | None:
    """Judge the payload again and compare; None where it is erased or needs other keys."""
    _check_entries(record, statements)
    if file.payload is None:
        return None
    if sha256(file.payload).digest() != record.payload:
        raise Refused("the payload in the proof is not the one that the collector recorded")
    found = judge(record.topic, file.payload, _keyring(statements), record.properties)
    if record.status not in _REJUDGED:
        return None
    due = "accepted" if record.status == "conflict" else record.status
    if found.status != due:
        raise Refused(f"it was recorded as {record.status}, but judges as {found.status}")
    said = (record.device, record.session, record.seq, record.key, record.entry, record.body)
    here = (found.device, found.session, found.seq, found.key, found.entry, found.body_hash)
    if said != here:
        raise Refused("its record names another device, session, seq, key or body than it does")
    return found


def _check_entries(record: Record, statements: Sequence[KeyStatement]) -> None:
    """The entry that the record names, then what that one ended: these and no others."""
    if record.entry is None:
        due: list[bytes | None] = []
    elif statements and statements[0].prior is not None:
        due = [record.entry, statements[0].prior]
    else:
        due = [record.entry]
    if [statement.hash for statement in statements] != due:
        raise Refused("the key entries in the proof are not those that the record rests on")
    if any(statement.kind != "device" for statement in statements):
        raise Refused("the record rests on a key entry that is no device's")


def _keyring(statements: Sequence[KeyStatement]) -> Keyring:
    keyring = Keyring()
    for statement in reversed(statements):
        first = keyring.applied == 0
        # What the oldest entry ended does not matter here; that it brings its key does.
        plain = first and statement.action == "rotate"
        keyring.apply(replace(statement, action="enrol", prior=None) if plain else statement)
    return keyring


def _verified(
    hops: _Hops,
    policy: Policy,
    before: Bound | None,
    after: Bound | None,
    corrections: Corrections | None,
) -> Verified:
    record, message = hops.record, hops.message
    gaps = (
        _open_about_the_message(hops),
        _open_about_time(hops, policy, before, after),
        open_about_corrections(corrections, seen=message is not None),
    )
    return Verified(
        status=record.status,
        collector=hops.certified.collector,
        position=hops.file.message_proof.index,
        received=record.received,
        topic=record.topic,
        payload=hops.file.payload,
        device=record.device,
        session=record.session,
        seq=record.seq,
        key=record.key,
        kind=message.kind if message else None,
        made=message.time if message else None,
        scans=message.scans if message else (),
        content=message.content if message else None,
        judged_here=hops.judgement is not None,
        log=hops.anchored.checkpoint.origin,
        log_size=hops.anchored.checkpoint.size,
        log_index=hops.file.checkpoint_proof.index,
        witnesses=tuple(hops.anchored.times),
        quorum=policy.quorum,
        not_before=microseconds(before.time if before else None),
        not_after=microseconds(after.time if after else None),
        before_by=vouching(before),
        after_by=vouching(after),
        stamps=hops.outside.stamps,
        gateway=hops.gateway,
        source=message.source if message and hops.gateway else None,
        corrections=corrections,
        not_proven=(*itertools.chain(*gaps), *hops.outside.open()),
    )


def _open_about_the_message(hops: _Hops) -> Iterator[str]:
    status = hops.record.status
    if status in {"unsigned", "malformed"}:
        yield "who sent it; it carries no signature that could be checked."
    elif status not in _REJUDGED:
        yield f"who sent it; that its status is {status} is the collector's word."
    elif hops.message is None:
        yield "what the machine said and that it signed it; the proof holds no payload."
    else:
        if hops.gateway is not None:
            yield between(hops.gateway)
        yield "that the sensor told the truth, or that the machine's clock was right."
    if status == "conflict":
        yield "what the other message under this number said."
    if hops.record.device is not None:
        yield "that the machine's key was not stolen, nor revoked after this was judged."


def _open_about_time(
    hops: _Hops, policy: Policy, before: Bound | None, after: Bound | None
) -> Iterator[str]:
    if policy.met_by(()):
        yield "that the log's operator shows everybody the same log; no witness is required."
    if after is None:
        yield "by when it was in the log; the policy asks no witness for a time."
    if hops.message is not None and hops.cited is None:
        yield "after which time it was signed; the proof holds no checkpoint that it cites."
    elif hops.cited is not None and before is None:
        yield "after which time it was signed; the policy asks no witness for a time."
    if before is not None:
        yield "how soon after that it was signed; a machine may cite a checkpoint that is old."
    yield "that nothing is missing beside it; `factoryledger audit` shows that."
