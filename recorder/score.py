"""What of a recording is played, and what is changed of it: lines in, lines out. Pure.

A signed message that comes out otherwise than its machine signed it is an error, unless it
is signed again.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from recorder.rebase import moved
from recorder.resigning import Resigner, unsigned_now
from telemetry.errors import MalformedRecording, NotCanonical
from telemetry.recording import Line
from telemetry.topic import check_name, matches

_MILLISECOND: Final = 1000


class Moment(NamedTuple):
    """A place in a recording, in µs: since 1970, or after its first message."""

    us: int
    relative: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How a recording is played; without arguments, as it is.

    `topics` and `exclude` are filters; `remap` changes how topics begin, the first pair that
    fits, and `prefix` stands before what comes of it; of the messages from `start` until before
    `stop`. `rebase` (µs) is when the first one is to have been received: times in JSON payloads
    move with it. `resign` signs again by test keys. `qos` and `retain` in place of the recorded
    ones.
    """

    topics: Sequence[str] = ()
    exclude: Sequence[str] = ()
    remap: Sequence[tuple[str, str]] = ()
    prefix: str = ""
    start: Moment | None = None
    stop: Moment | None = None
    rebase: int | None = None
    resign: Resigner | None = None
    qos: int | None = None
    retain: bool | None = None


def played(
    score: Score, lines: Iterable[tuple[int, Line]], name: str, again: int = 0
) -> Iterator[tuple[int, Line]]:
    """Give the lines as they are to be sent; `again` moves all of them (µs), for a next round.

    MalformedRecording names the line (of the recording `name`) that cannot be played so.
    """
    if not again and replace(score, qos=None) == _AS_IT_IS:
        yield from _of_qos(score.qos, lines)
        return
    ends: tuple[int, int] | None = None
    delta: int | None = None
    for number, line in lines:
        ends = ends or _ends(score, line.received)
        if line.received < ends[0] or not _wanted(score, line.topic):
            continue
        if line.received >= ends[1]:
            continue
        if delta is None:
            delta = again + _delta(score, line.received)
        try:
            yield number, _changed(score, line, delta)
        except NotCanonical as error:
            raise MalformedRecording(name, number, str(error)) from None


_AS_IT_IS: Final = Score()


def _of_qos(qos: int | None, lines: Iterable[tuple[int, Line]]) -> Iterator[tuple[int, Line]]:
    """The same lines at one QoS: what most replays are, and by the ten thousand."""
    for number, one in lines:
        if qos is None or one.qos == qos:
            yield number, one
        else:
            again = Line(one.received, one.topic, one.payload, qos, one.retain, one.properties)
            yield number, again


def _ends(score: Score, first: int) -> tuple[int, int]:
    return _place(score.start, first, 0), _place(score.stop, first, 2**63)


def _place(moment: Moment | None, first: int, otherwise: int) -> int:
    if moment is None:
        return otherwise
    return moment.us + (first if moment.relative else 0)


def _delta(score: Score, first: int) -> int:
    """By how much times move: whole milliseconds, which is what most of them are written in."""
    if score.rebase is None:
        return 0
    return (score.rebase - first) // _MILLISECOND * _MILLISECOND


def _wanted(score: Score, topic: str) -> bool:
    if any(matches(one, topic) for one in score.exclude):
        return False
    return not score.topics or any(matches(one, topic) for one in score.topics)


def _changed(score: Score, line: Line, delta: int) -> Line:
    topic = _renamed(score.remap, line.topic)
    topic = f"{score.prefix}/{topic}" if score.prefix else topic
    payload = line.payload
    if score.rebase is not None and payload.startswith((b"{", b"[")):
        payload = moved(payload, delta)
    changed = replace(
        line,
        received=line.received + delta,
        topic=topic,
        payload=payload,
        qos=line.qos if score.qos is None else score.qos,
        retain=line.retain if score.retain is None else score.retain,
    )
    if score.resign is not None:
        return score.resign.resigned(line, changed, delta if score.rebase is not None else 0)
    if unsigned_now(line, changed):
        raise NotCanonical(
            "a signed message would not be what its machine signed any more: sign again with "
            "test keys (--sign), or leave out --rebase, and --remap of a machine's own levels"
        )
    return changed


def _renamed(pairs: Sequence[tuple[str, str]], topic: str) -> str:
    for old, new in pairs:
        if not old:
            topic = f"{new}/{topic}"
        elif topic == old or topic.startswith(f"{old}/"):
            topic = (new + topic[len(old) :]).removeprefix("/" if not new else "")
        else:
            continue
        check_name(topic)
        break
    return topic
