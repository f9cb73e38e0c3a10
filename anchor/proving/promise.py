"""Whether a collector kept what a receipt promises: these messages, anchored by that time.

Rules only; what is known of the messages and of the log comes in (`promise_evidence`).
A receipt is the collector's signed word. Whoever holds it needs to prove nothing more: where
its deadline has passed and nothing shows its messages in the anchor log, the word is broken
until somebody does. A wrong clock cannot break it: the deadline has passed when the witnesses'
cosignatures on the log say so; only under `quorum none` the reader's own clock decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from telemetry.canonical import time_text
from telemetry.receipt import ReceiptLeaf, bodies_digest


class State(StrEnum):
    """What became of a promise."""

    KEPT = "kept"
    OPEN = "open"
    UNDECIDED = "undecided"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Shown:
    """Messages that were found in the collector's log.

    `bodies` are body hashes by seq. `by` is the earliest time (microseconds) by which an anchor
    log is known to contain them all, `absent` the latest one at which it did not contain them
    all; None where no witness tells. `anchored` is False where some are in no anchored
    checkpoint. `where` is how a person finds them.
    """

    bodies: Mapping[int, bytes]
    anchored: bool
    by: int | None
    absent: int | None
    where: str


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest state of the anchor log that was looked at.

    `seen` (microseconds) is when it surely existed, by its witnesses; None under `quorum none`.
    `records` is how many records of the collector it holds.
    """

    seen: int | None
    records: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """A receipt that holds, and what became of its promise, in plain sentences."""

    leaf: ReceiptLeaf
    signer: str
    state: State
    reason: str

    def lines(self) -> list[str]:
        """The promise, then what became of it."""
        leaf = self.leaf
        held = f"{_messages(leaf)} of machine {leaf.device}, session {leaf.session}"
        has = f"Collector {leaf.collector} has {held}: seq {_numbers(leaf)}."
        return [
            f"{has} Signed by {self.signer}.",
            f"It promises them in the anchor log by {time_text(leaf.anchored_by)}.",
            f"{self.state.value.capitalize()}: {self.reason}",
        ]

    def to_json(self) -> dict[str, Any]:
        """The same for programs."""
        leaf = self.leaf
        return {
            "state": self.state.value,
            "collector": leaf.collector,
            "signer": self.signer,
            "device": leaf.device,
            "session": leaf.session,
            "ranges": [list(one) for one in leaf.ranges],
            "anchored_by": time_text(leaf.anchored_by),
            "reason": self.reason,
        }


def decide(
    leaf: ReceiptLeaf,
    shown: Shown | None,
    newest: Newest | None,
    *,
    now: int,
    stores: bool = False,
) -> tuple[State, str]:
    """Judge a receipt whose signature holds by what was found; `now` in microseconds.

    `shown` is None where nobody could be asked for the messages, `newest` where there was no
    log to look at. `stores` says that stores were read, none of them this collector's.
    """
    wrong = None if shown is None else _missing(leaf, shown)
    if shown is not None and wrong is None and shown.anchored:
        return _anchored(leaf, shown)
    passed, by = _deadline_passed(leaf, newest, now)
    if not passed:
        return _unripe(leaf, newest, now)
    if wrong is not None:
        return State.BROKEN, f"{wrong}, {by}."
    if shown is not None:
        return State.BROKEN, f"{shown.where} holds them, the anchor log does not, {by}."
    assert newest is not None
    if newest.records < count(leaf):
        return State.BROKEN, (
            f"the anchor log holds {newest.records} records of collector {leaf.collector}, "
            f"fewer than it has receipted here, {by}."
        )
    read = f"None of the stores that were read is that of collector {leaf.collector}. "
    return State.UNDECIDED, (
        f"the anchor log holds {newest.records} records of collector {leaf.collector}, but not "
        f"what is in them. {read if stores else ''}"
        "Give its store (--database) or proof files of these messages. Who "
        f"cannot give either has broken the promise, {by}."
    )


def count(leaf: ReceiptLeaf) -> int:
    """How many messages a receipt covers."""
    return sum(last - first + 1 for first, last in leaf.ranges)


def _missing(leaf: ReceiptLeaf, shown: Shown) -> str | None:
    """What of the receipt was not found; None where all of it was, bodies alike."""
    for first, last in leaf.ranges:
        for seq in range(first, last + 1):
            if seq not in shown.bodies:
                return f"{shown.where} holds no message {seq} of this session"
    wanted = (shown.bodies[seq] for first, last in leaf.ranges for seq in range(first, last + 1))
    if bodies_digest(wanted) != leaf.bodies:
        return f"{shown.where} holds other messages under these numbers"
    return None


def _anchored(leaf: ReceiptLeaf, shown: Shown) -> tuple[State, str]:
    if shown.absent is not None and shown.absent > leaf.anchored_by:
        return State.BROKEN, (
            "they are in the anchor log now, but came too late: a checkpoint that witnesses "
            f"cosigned at {time_text(shown.absent)} lacks them."
        )
    if shown.by is None:
        return State.KEPT, f"{shown.where} has them, anchored; no witness says since when."
    at = time_text(shown.by)
    if shown.by > leaf.anchored_by:
        return State.KEPT, (
            f"{shown.where} has them, anchored; the earliest checkpoint at hand that contains "
            f"them is of {at}, after the deadline, but none shows that they were late."
        )
    return State.KEPT, f"{shown.where} has them, anchored not after {at}."


def _deadline_passed(leaf: ReceiptLeaf, newest: Newest | None, now: int) -> tuple[bool, str]:
    if newest is None:
        return False, ""
    if newest.seen is not None:
        by = f"though witnesses cosigned that log at {time_text(newest.seen)}, after the deadline"
        return newest.seen > leaf.anchored_by, by
    by = "and by this computer's clock the deadline has passed (no witness tells the time)"
    return now > leaf.anchored_by, by


def _unripe(leaf: ReceiptLeaf, newest: Newest | None, now: int) -> tuple[State, str]:
    if now <= leaf.anchored_by:
        return State.OPEN, "its time has not come yet, and they are not shown to be anchored."
    if newest is None:
        return State.UNDECIDED, (
            "its time has come by this computer's clock: look into the anchor log (--log)."
        )
    seen = "never" if newest.seen is None else f"last at {time_text(newest.seen)}"
    return State.UNDECIDED, (
        f"its time has come by this computer's clock, but witnesses cosigned this log {seen}, "
        "before the deadline: give a newer state of it. If there is none, the promise is broken."
    )


def _messages(leaf: ReceiptLeaf) -> str:
    number = count(leaf)
    return "one message" if number == 1 else f"{number} messages"


def _numbers(leaf: ReceiptLeaf) -> str:
    return ", ".join(
        str(first) if first == last else f"{first} to {last}" for first, last in leaf.ranges
    )
