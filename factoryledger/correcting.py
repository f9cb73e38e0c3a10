"""The operator's word on a stored message: checked against the store, signed, left as a request.

Nothing in the store is touched. What another call has left in the requests folder counts as if
the log had it already, so that two calls do not correct one metric twice.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from anchor.corrected import Corrected
from anchor.correction import (
    MAX_NAME,
    Change,
    Correction,
    CorrectionAuthority,
    Kind,
    Meaning,
    Subject,
    seal,
)
from anchor.correction_order import CorrectionOrder
from anchor.correction_words import check_plain, number_of
from anchor.errors import AnchorError, Malformed, Refused
from anchor.merkle import leaf_hash
from anchor.proving.prove import untampered
from anchor.reading.corrections import corrections_at
from anchor.reading.hinted_log import HintedLog
from anchor.reading.log_index import LogIndex
from anchor.reading.row_record import named_message
from factoryledger.errors import WrongUsage
from factoryledger.installation import Installation
from factoryledger.proving import hints_of, parse_time
from telemetry.canonical import plain, time_text
from telemetry.members import Scan
from telemetry.rows import MessageRow

_NOT_YET: Final = ("index", "superseded_by")
"""What only the log can say."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the operator was told to sign, as typed; None where it was not said."""

    by: str
    reason: str
    meaning: Meaning = "authorship"
    metric: str | None = None
    value: str | None = None
    unit: str | None = None
    scan: str | None = None
    annotate: bool = False
    withdraw: str | None = None
    supersedes: str | None = None


def correct(place: Installation, row: MessageRow, said: Said) -> Correction:
    """Sign what was said of a row and leave it as a request, durable on return.

    WrongUsage for what cannot be said of it, Refused where the row was tampered with, NotThere
    without the operator's key.
    """
    kind = _kind(said)
    record = untampered(row)
    correction = Correction(
        kind=kind,
        subject=_subject(row, record),
        by=said.by,
        meaning=said.meaning,
        reason=said.reason,
        time=time.time_ns() // 1000,
        change=_change(place, row, said) if kind == "correction" else None,
        supersedes=_superseded(said),
    )
    try:
        entry = seal(place.data.operator, correction)
    except Malformed as error:
        raise WrongUsage(str(error)) from error
    signed = CorrectionAuthority(place.data.operator.verifier).read(entry)
    order = known_corrections(place)
    try:
        order.add(signed)
    except Refused as error:
        raise WrongUsage(f"{error}; `--supersedes` or `--withdraw` name the one before") from error
    place.data.requests.write(entry)
    return signed


def known_corrections(place: Installation) -> CorrectionOrder:
    """Those that the log holds, and then those that wait in the requests folder."""
    order = CorrectionOrder()
    for correction in (*_logged(place), *_waiting(place)):
        with suppress(Refused):  # what waits may be in the log already
            order.add(correction)
    return order


def _logged(place: Installation) -> list[Correction]:
    operator = place.policy.operator
    if operator is None or not place.has_log:
        return []
    view = place.log_reader.view
    with hints_of(place) as hints:
        places: Sequence[int] | None = None
        if hints is not None and hints.size() >= view.size:
            with suppress(AnchorError):
                places = HintedLog(view, hints, place.ledger).corrections
        if places is None:
            places = LogIndex.scan(view).corrections
    return [found.correction for found in corrections_at(view, places, operator)]


def _waiting(place: Installation) -> Iterator[Correction]:
    authority = CorrectionAuthority(place.data.operator_public)
    for _, entry in place.data.requests.after(""):
        with suppress(Malformed, Refused):  # a key entry, or not by this operator
            yield authority.read(entry)


def _kind(said: Said) -> Kind:
    wanted = [
        kind
        for kind, asked in (
            ("correction", said.metric is not None or said.value is not None),
            ("annotation", said.annotate),
            ("withdrawal", said.withdraw is not None),
        )
        if asked
    ]
    if len(wanted) != 1:
        raise WrongUsage("say one of --metric with --value, --annotate and --withdraw")
    if wanted[0] == "correction" and (said.metric is None or said.value is None):
        raise WrongUsage("--metric and --value go together")
    if wanted[0] != "correction" and (said.unit, said.scan) != (None, None):
        raise WrongUsage("--unit and --scan go with --metric")
    if wanted[0] == "withdrawal" and said.supersedes is not None:
        raise WrongUsage("--withdraw names what is superseded; leave --supersedes out")
    return wanted[0]  # type: ignore[return-value]  # one of the three above


def _subject(row: MessageRow, record: bytes) -> Subject:
    device, session, seq = row.device, row.session, row.seq
    named = device is not None and session is not None and seq is not None
    machine = (str(device), str(session), int(seq or 0)) if named else None
    return Subject(row.collector, row.position, leaf_hash(record), machine)


def _superseded(said: Said) -> bytes | None:
    named = said.withdraw or said.supersedes
    if named is None:
        return None
    try:
        found = bytes.fromhex(named)
    except ValueError:
        found = b""
    if len(found) != 32 or found.hex() != named:  # noqa: PLR2004 - SHA-256
        raise WrongUsage(f"{plain(named[:80])!r} is not the hash of a correction (64 digits)")
    return found


def _change(place: Installation, row: MessageRow, said: Said) -> Change:
    assert said.metric is not None
    assert said.value is not None
    name = f"{row.collector}:{row.position}"
    if row.payload is None:
        raise WrongUsage(f"the payload of {name} is erased: it can be annotated, not corrected")
    message = named_message(row)
    if row.status != "accepted" or message is None or not message.scans:
        raise WrongUsage(
            f"message {name} ({row.status}) has no readings that can be corrected: --annotate it"
        )
    scan = _scan(message.scans, said, name)
    original = repr(scan.readings[said.metric])
    try:
        if number_of(said.value, "--value") == float(original):
            raise WrongUsage(f"--value {said.value} is what is stored: nothing to correct")
    except Malformed as error:
        raise WrongUsage(str(error)) from error
    unit = said.unit or _unit(place, row, said.metric)
    return Change(said.metric, scan.time, original, said.value, unit)


def _scan(scans: Sequence[Scan], said: Said, name: str) -> Scan:
    """The one scan that is meant; WrongUsage where it is none, or not one."""
    found = [scan for scan in scans if said.metric in scan.readings]
    if not found:
        there = sorted({metric for scan in scans for metric in scan.readings})
        listed = ", ".join(plain(metric) for metric in there[:20])
        raise WrongUsage(f"message {name} has no metric {plain(str(said.metric))!r}: {listed}")
    if said.scan is not None:
        at = parse_time(said.scan, "--scan")
        found = [scan for scan in found if scan.time == at]
    if len(found) != 1:
        times = ", ".join(time_text(scan.time) for scan in scans[:20])
        raise WrongUsage(f"message {name}: name one scan by --scan; it has those of {times}")
    return found[0]


def _unit(place: Installation, row: MessageRow, metric: str) -> str | None:
    """The unit that the session's birth gives the metric; None where none is found."""
    if row.device is None or row.session is None:
        return None
    first = place.ledger.find(row.device, row.session, 0)
    message = None if first is None else named_message(first)
    content = message.content if message is not None else None
    metrics = content.get("metrics") if isinstance(content, dict) else None
    said = metrics.get(metric) if isinstance(metrics, dict) else None
    unit = said.get("unit") if isinstance(said, dict) else None
    try:
        check_plain(unit if isinstance(unit, str) else "", "unit", MAX_NAME)
    except Malformed:
        return None
    return str(unit)


def lines(signed: Correction) -> list[str]:
    """What was signed, for people: what is stored first."""
    found = [f"{signed.hash.hex()}: {signed.kind} of message {signed.subject.place}"]
    if (change := signed.change) is not None:
        unit = "" if change.unit is None else f" {plain(change.unit)}"
        found += [
            f"  {plain(change.metric)} at {time_text(change.scan)}",
            f"  stored: {change.original}{unit}; corrected: {change.value}{unit}",
        ]
    if signed.supersedes is not None:
        found.append(f"  in place of {signed.supersedes.hex()}")
    return [
        *found,
        f"  by {plain(signed.by)} ({signed.meaning}), reason: {plain(signed.reason)}",
        "  signed by the operator's key; the anchor appends it to the log. The message stays.",
    ]


def as_json(signed: Correction) -> dict[str, Any]:
    """The same for programs."""
    subject = signed.subject
    device, session, seq = subject.machine or (None, None, None)
    said = Corrected(-1, signed).to_json()
    where = {"collector": subject.collector, "position": subject.position}
    named = {"device": device, "session": session, "seq": seq}
    return {**where, **named, **{k: v for k, v in said.items() if k not in _NOT_YET}}
