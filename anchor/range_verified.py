"""What a verified range shows: how many, what was measured, what is missing, what is not shown."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from anchor.ledgers.ledger import Stamp
from anchor.verified import Vouching, between, stamp_json, stamp_line
from telemetry.canonical import plain, time_text
from telemetry.message import Message

_LISTED = 10


@dataclass(frozen=True, slots=True)
class Proved:
    """One message of a range; `message` is None where its payload is erased."""

    collector: str
    position: int
    received: int
    record: bytes
    session: str
    seq: int
    body: bytes
    message: Message | None
    gateway: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one metric, when by the machine's clock, and in which message."""

    time: int
    metric: str
    value: float
    session: str
    seq: int


@dataclass(frozen=True, slots=True)
class VerifiedRange:
    """A machine's messages of a time, proved; in order of session and number.

    `start` (inclusive) and `stop` (exclusive) are by the machine's clock. Messages outside of
    them are the neighbours, there to show that nothing lies between.
    """

    device: str
    start: int
    stop: int
    metric: str | None
    messages: tuple[Proved, ...]
    collectors: tuple[str, ...]
    log: str
    witnesses: tuple[str, ...]
    quorum: str
    unwitnessed: bool
    not_before: int | None
    not_after: int | None
    before_by: Vouching = Vouching()  # noqa: RUF009 - frozen
    after_by: Vouching = Vouching()  # noqa: RUF009 - frozen
    stamps: tuple[Stamp, ...] = ()
    outside_open: tuple[str, ...] = ()
    """What the receipts of outside ledgers leave open, a sentence each."""

    @property
    def within(self) -> list[Proved]:
        """The messages made within the time; one whose payload is erased cannot tell."""
        return [one for one in self.messages if one.message is None or self._holds(one.message)]

    @property
    def gateways(self) -> list[str]:
        """The gateways that signed some of the messages on the machine's behalf."""
        return sorted({one.gateway for one in self.messages if one.gateway is not None})

    @property
    def readings(self) -> list[Reading]:
        """The readings within the time, of the metric or of all."""
        return [
            Reading(scan.time, name, value, one.session, one.seq)
            for one in self.messages
            if one.message is not None
            for scan in one.message.scans
            if self.start <= scan.time < self.stop
            for name, value in scan.readings.items()
            if self.metric in {None, name}
        ]

    @property
    def sessions(self) -> dict[str, list[Proved]]:
        """The messages by session, each in order of their numbers."""
        found: dict[str, list[Proved]] = {}
        for one in self.messages:
            found.setdefault(one.session, []).append(one)
        return found

    @property
    def missing(self) -> list[tuple[str, int, int]]:
        """Session, first and last number of what the machine numbered and is not here."""
        return [
            (session, one.seq + 1, other.seq - 1)
            for session, run in self.sessions.items()
            for one, other in itertools.pairwise(run)
            if other.seq > one.seq + 1
        ]

    @property
    def broken(self) -> list[tuple[str, int]]:
        """Messages that name another predecessor than the one before them here."""
        return [
            (session, other.seq)
            for session, run in self.sessions.items()
            for one, other in itertools.pairwise(run)
            if other.seq == one.seq + 1
            and other.message is not None
            and other.message.prev != one.body
        ]

    def lines(self) -> list[str]:
        """What is proved, a sentence a line; then each thing that is not."""
        return [
            self._whose(),
            *self._what(),
            *self._gaps(),
            *self._when(),
            self._witnessed(),
            *(f"Not proven: {gap}" for gap in self.not_proven()),
        ]

    def not_proven(self) -> list[str]:
        """What this does not show."""
        return list(self._open())

    def to_json(self) -> dict[str, Any]:
        """The same for programs, with every reading."""
        return {
            "verified": True,
            "device": self.device,
            "signed_by_gateways": self.gateways,
            "from": time_text(self.start),
            "to": time_text(self.stop),
            "metric": self.metric,
            "messages": len(self.within),
            "erased": sum(one.message is None for one in self.messages),
            "collectors": list(self.collectors),
            "sessions": {
                session: [run[0].seq, run[-1].seq] for session, run in self.sessions.items()
            },
            "missing": [list(gap) for gap in self.missing],
            "broken": [list(one) for one in self.broken],
            "readings": [
                {"time": time_text(one.time), "metric": one.metric, "value": one.value,
                 "session": one.session, "seq": one.seq}
                for one in self.readings
            ],
            "not_before": None if self.not_before is None else time_text(self.not_before),
            "not_after": None if self.not_after is None else time_text(self.not_after),
            "not_before_by": self.before_by.to_json(),
            "not_after_by": self.after_by.to_json(),
            "stamps": [stamp_json(stamp) for stamp in self.stamps],
            "log": self.log,
            "witnesses": list(self.witnesses),
            "quorum": self.quorum,
            "lines": self.lines(),
            "not_proven": self.not_proven(),
        }  # fmt: skip

    def _holds(self, message: Message) -> bool:
        times = [message.time, *(scan.time for scan in message.scans)]
        return any(self.start <= time < self.stop for time in times)

    def _whose(self) -> str:
        keys = sorted({one.message.key for one in self.messages if one.message is not None})
        signed = [one for one in self.within if one.message is not None]
        noun = "message is" if len(signed) == 1 else "messages are"
        whose = f"machine {self.device} signed with its enrolled key"
        if self.gateways:
            whose = (
                f"gateway {', '.join(self.gateways)} signed on behalf of machine {self.device} "
                "with the key"
            )
        return (
            f"{len(signed)} {noun} what {whose} "
            f"{', '.join(keys) or '(unknown)'}, made from {time_text(self.start)} until before "
            f"{time_text(self.stop)} by its clock."
        )

    def _what(self) -> Iterator[str]:
        by_metric: dict[str, list[Reading]] = {}
        for reading in self.readings:
            by_metric.setdefault(reading.metric, []).append(reading)
        if self.metric is not None and self.metric not in by_metric:
            yield f"It measured no {plain(self.metric)} in that time, by the messages here."
        for metric, found in by_metric.items():
            values = [reading.value for reading in found]
            noun = "reading" if len(found) == 1 else "readings"
            yield (
                f"Measured: {plain(metric)}, {len(found)} {noun} from {time_text(found[0].time)} "
                f"to {time_text(found[-1].time)}, lowest {min(values)}, highest {max(values)}."
            )

    def _gaps(self) -> Iterator[str]:
        for session, run in self.sessions.items():
            span = f"session {session}, seq {run[0].seq} to {run[-1].seq}"
            gaps = [(first, last) for name, first, last in self.missing if name == session]
            if not gaps:
                yield f"Nothing is missing in {span}: the machine's numbers have no gap there."
            for first, last in gaps[:_LISTED]:
                which = (
                    f"message {first} is" if first == last else f"messages {first} to {last} are"
                )
                yield f"Missing in {span}: {which} not in this proof."
            if len(gaps) > _LISTED:
                yield f"Missing in {span}: {len(gaps) - _LISTED} more gaps."
        for session, seq in self.broken[:_LISTED]:
            yield f"Broken: message {seq} of session {session} names another one before it."

    def _when(self) -> Iterator[str]:
        if self.not_before is not None:
            yield (
                f"The first was signed not before {time_text(self.not_before)}: it cites a "
                f"checkpoint that {self.before_by}."
            )
        if self.not_after is not None:
            yield (
                f"All were there not after {time_text(self.not_after)}: {self.after_by} a log "
                f"that contains them{self.after_by.alone}."
            )
        yield from map(stamp_line, self.stamps)

    def _witnessed(self) -> str:
        place = f"They are anchored in log {self.log}"
        if not self.witnesses:
            return f"{place}, cosigned by no witness; quorum {self.quorum}."
        noun = "witness" if len(self.witnesses) == 1 else "witnesses"
        return f"{place}, cosigned by {len(self.witnesses)} {noun} ({', '.join(self.witnesses)})."

    def _open(self) -> Iterator[str]:
        yield from map(between, self.gateways)
        yield "that the sensor told the truth, or that the machine's clock was right."
        yield "that the machine's key was not stolen, nor revoked after these were judged."
        erased = sum(one.message is None for one in self.messages)
        if erased:
            noun = "message" if erased == 1 else "messages"
            yield (
                f"what {erased} more {noun} said, when they were made and that the machine signed "
                "them: their payloads are erased, and the collector alone says that it accepted "
                "them."
            )
        if not self._has_before():
            yield "that nothing was made in that time before the first message here."
        if not self._has_after():
            yield "that nothing was made in that time after the last message here."
        runs = list(self.sessions.values())
        for run, other in itertools.pairwise(runs):
            first = other[0].message
            if first is None or first.prev != run[-1].body:
                yield f"that nothing lies between session {run[0].session} and {other[0].session}."
        if self.unwitnessed:
            yield "that the log's operator shows everybody the same log; no witness is required."
        if self.not_before is None:
            yield "after which time the first was signed."
        else:
            yield "how soon after that it was signed; a machine may cite a checkpoint that is old."
        if self.not_after is None:
            yield "by when they were there."
        yield "that nobody corrected a reading since; `factoryledger audit` shows every correction."
        yield from self.outside_open

    def _has_before(self) -> bool:
        first = self.messages[0]
        made = first.message.time if first.message else self.start
        return made < self.start

    def _has_after(self) -> bool:
        last = self.messages[-1].message
        return last is not None and last.time >= self.stop
