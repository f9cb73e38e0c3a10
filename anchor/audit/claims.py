"""Do the claims and the accepted rows say the same? In constant memory while they do.

Both sides are summed up as multisets, under a key that nobody knows beforehand. Only where the
sums differ are they summed up again, bucket by bucket, and the buckets that differ compared.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256, shake_128
from typing import Any, Final

import msgspec

from anchor.audit.findings import STORE, Finding
from anchor.audit.inquiry import Inquiry
from anchor.reading.row_record import shown
from telemetry.rows import MessageRow

_BUCKETS = 4096
_WIDE: Final = 1 << 2048
_spell: Final = msgspec.msgpack.Encoder().encode

Claim = tuple[Any, Any, Any, Any, Any, Any]
"""Device, session, seq, collector, position, body hash: of any types."""


def claim_of(row: MessageRow) -> Claim:
    """The claim that an accepted row should have."""
    return (row.device, row.session, row.seq, row.collector, row.position, row.body_hash)


@dataclass(slots=True)
class ClaimSum:
    """One side's sum. Equal sums mean equal multisets, but for a chance of 2**-128 or so."""

    nonce: bytes
    total: int = 0

    def add(self, claim: Claim) -> None:
        """Count a claim in."""
        self.total += _number(self.nonce, claim)


def sum_of(nonce: bytes, claims: Iterable[Claim]) -> int:
    """The sum of some claims, to add to a `ClaimSum` of the same nonce."""
    return sum(_number(nonce, claim) for claim in claims)


@dataclass(slots=True)
class ClaimsCheck:
    """Compares claims with accepted rows, and lets claims name rows that are gone.

    `add` each accepted row; `ends` is how far each collector was read: what was claimed
    beyond came later, and is looked up singly. `named` are rows with a finding already.
    Where rows before `starts` are not read again, their claims must add up to what was `seen`.
    `totals`, where given, is filled with each collector's sum up to its end.
    """

    inquiry: Inquiry
    ends: dict[str, int] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    totals: dict[str, int] | None = None
    named: set[tuple[Any, Any]] = field(default_factory=set)
    deleted: dict[tuple[Any, Any], str] = field(default_factory=dict)
    nonce: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    rows: ClaimSum = field(init=False)

    def __post_init__(self) -> None:
        self.rows = ClaimSum(self.nonce)

    def add(self, row: MessageRow) -> None:
        """Count an accepted row in."""
        self.rows.add(claim_of(row))

    def finish(self, accepted: Callable[[], Iterable[MessageRow]]) -> None:
        """Read the claims, find what differs; `accepted` reads all accepted rows once more."""
        claims = ClaimSum(self.nonce)
        before: tuple[Any, ...] | None = None
        earlier = dict.fromkeys(self.starts, 0)
        sums = bool(self.starts) or self.totals is not None
        for claim in self.inquiry.ledger.claims():
            if self._later(claim):
                continue
            number = claim[:3]
            if number == before:
                self._find("duplicate", "this number is claimed twice", claim)
            before = number
            if sums and self._sum_up(claim, earlier):
                continue
            claims.add(claim)
            if self.deleted:
                self._name_deleted(claim)
        self._check_earlier(earlier)
        for (collector, position), detail in self.deleted.items():
            self.inquiry.audit.add(
                Finding("deleted", detail, STORE, collector=collector, position=position)
            )
        if self.rows.total != claims.total:
            self._compare(self._differing(accepted), accepted)

    def _differing(self, accepted: Callable[[], Iterable[MessageRow]]) -> set[int]:
        """The buckets that do not add up."""
        sums = [0] * _BUCKETS
        for claim in map(claim_of, accepted()):
            sums[_bucket(claim)] += _number(self.nonce, claim)
        for claim in self.inquiry.ledger.claims():
            if not self._beyond(claim) and not self._before(claim):
                sums[_bucket(claim)] -= _number(self.nonce, claim)
        return {bucket for bucket, left in enumerate(sums) if left}

    def _sum_up(self, claim: Claim, earlier: dict[str, int]) -> bool:
        """Add it to the sums that are kept; whether its row was read by an earlier audit."""
        is_earlier = self._before(claim)
        if is_earlier or self.totals is not None:
            value = _wide(claim)
            if is_earlier:
                earlier[claim[3]] = (earlier[claim[3]] + value) % _WIDE
            if self.totals is not None and type(claim[3]) is str:
                self.totals[claim[3]] = (self.totals.get(claim[3], 0) + value) % _WIDE
        return is_earlier

    def _before(self, claim: Claim) -> bool:
        start = self.starts.get(claim[3], 0) if type(claim[3]) is str else 0
        return type(claim[4]) is int and 0 <= claim[4] < start

    def _check_earlier(self, earlier: dict[str, int]) -> None:
        for collector, total in earlier.items():
            if total != self.seen[collector]:
                detail = (
                    f"claims of rows before {self.starts[collector]} are not those that an earlier "
                    "audit read: a full one names them"
                )
                self.inquiry.find("claim-altered", detail, collector=collector)

    def _later(self, claim: Claim) -> bool:
        """Whether the claim came after its collector was read; one that is false is found."""
        _, _, _, collector, position, _ = claim
        end = self.ends.get(collector) if type(collector) is str else None
        if end is None or type(position) is not int or position < end:
            return False
        rows = self.inquiry.ledger.messages(collector, position, position + 1)
        if not any(claim_of(row) == claim and row.status == "accepted" for row in rows):
            self._find("claim-altered", "the claim is of a row that is not there", claim)
        return True

    def _name_deleted(self, claim: Claim) -> None:
        detail = self.deleted.pop(_place(claim), None)
        if detail is not None:
            self.named.add(_place(claim))
            self._find("deleted", detail, claim)

    def _compare(self, buckets: set[int], accepted: Callable[[], Iterable[MessageRow]]) -> None:
        by_number = dict[tuple[Any, ...], Claim]()
        for claim in self._in(buckets, self.inquiry.ledger.claims()):
            by_number[claim[:3]] = claim
        taken = dict[tuple[Any, ...], Claim]()
        for claim in self._in(buckets, map(claim_of, accepted())):
            first = taken.setdefault(claim[:3], claim)
            if first is not claim:
                detail = f"accepted under the number of {shown(first[3])}:{shown(first[4])}"
                self._find("duplicate", detail, claim, self._key(claim))
            elif (earlier := self._claimed_before(claim)) is not None:
                detail = f"accepted under the number of {shown(earlier[3])}:{shown(earlier[4])}"
                self._find("duplicate", detail, claim, self._key(claim))
            elif by_number.get(claim[:3]) != claim:
                self._find("claim-altered", "its claim is missing or says otherwise", claim)
        for number, claim in by_number.items():
            if number not in taken:
                self._find("claim-altered", "the claim is of no accepted message", claim)

    def _claimed_before(self, claim: Claim) -> Claim | None:
        """The claim to the same number of a row that an earlier audit read."""
        row = self.inquiry.ledger.find(*claim[:3]) if self.starts else None
        found = None if row is None else claim_of(row)
        if found is None or found[:3] != claim[:3] or not self._before(found):
            return None
        return found

    def _in(self, buckets: set[int], claims: Iterable[Claim]) -> Iterator[Claim]:
        for claim in claims:
            if (
                _bucket(claim) in buckets
                and _place(claim) not in self.named
                and not self._beyond(claim)
                and not self._before(claim)
            ):
                yield claim

    def _beyond(self, claim: Claim) -> bool:
        end = self.ends.get(claim[3]) if type(claim[3]) is str else None
        return end is not None and type(claim[4]) is int and claim[4] >= end

    def _key(self, claim: Claim) -> str:
        return self.inquiry.origin(claim[3]) if type(claim[3]) is str else STORE

    def _find(self, kind: Any, detail: str, claim: Claim, blame: str = STORE) -> None:
        device, session, seq, collector, position, _ = claim
        self.inquiry.audit.add(
            Finding(
                kind,
                detail,
                blame,
                collector=collector,
                position=position,
                device=device,
                session=session,
                seq=seq,
            )
        )


def _place(claim: Claim) -> tuple[Any, Any]:
    return claim[3], claim[4]


def _bucket(claim: Claim) -> int:
    # By number alone, so that two claims to one number meet.
    return hash(claim[:3]) % _BUCKETS


def _wide(claim: Claim) -> int:
    # So wide that no other claims are found that add up to the same, though nothing is secret.
    return int.from_bytes(shake_128(ascii(claim).encode()).digest(256), "big")


def _number(nonce: bytes, claim: Claim) -> int:
    return int.from_bytes(sha256(nonce + _spelled(claim)).digest(), "big")


def _spelled(claim: Claim) -> bytes:
    try:
        # Tells 41 from '41' and from b'41', as `repr` does, in a fifth of the time.
        return _spell(claim)
    except (TypeError, ValueError, OverflowError):
        # Begins with a bracket, as nothing does that the encoder writes of six values.
        return ascii(claim).encode()
