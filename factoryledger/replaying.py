"""How a recording is to be replayed, from the words of a command line."""

import math
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from factoryledger.data_dir import DataDir
from factoryledger.enrolment import Enrolments
from factoryledger.errors import WrongUsage
from recorder.resigning import Resigner
from recorder.score import Moment, Score
from telemetry.canonical import time_us
from telemetry.errors import NotCanonical

_SECOND = 1_000_000


def score_of(  # noqa: PLR0913 - one argument an option
    *,
    topics: Sequence[str] = (),
    exclude: Sequence[str] = (),
    remap: Sequence[str] = (),
    start: str | None = None,
    stop: str | None = None,
    retain: str = "keep",
    rebase: str | None = None,
    sign: Path | None = None,
    prefix: str = "",
) -> Score:
    """Read the options of `replay`; WrongUsage names the one that cannot be.

    `prefix` stands before all topics, whatever they are remapped to.
    """
    if retain not in {"keep", "never"}:
        raise WrongUsage(f"--retain {retain!r}: keep or never")
    return Score(
        topics=tuple(topics),
        exclude=tuple(exclude),
        remap=tuple(map(_pair, remap)),
        prefix=prefix,
        start=_moment("--from", start),
        stop=_moment("--to", stop),
        retain=None if retain == "keep" else False,
        rebase=_rebase(rebase),
        resign=None if sign is None else _resigner(sign),
    )


def speed_of(text: str) -> float | None:
    """Read `--speed`; None is `max`."""
    if text == "max":
        return None
    speed = _number(text)
    if speed is None or not 0 < speed < math.inf:
        raise WrongUsage(f"--speed {text!r}: a number above 0, or max")
    return speed


def qos_of(text: str) -> int | None:
    """Read `--qos`; None is `keep`."""
    if text not in {"0", "1", "2", "keep"}:
        raise WrongUsage(f"--qos {text!r}: 0, 1, 2 or keep")
    return None if text == "keep" else int(text)


def rounds_of(loop: int | None) -> int | None:
    """Read `--loop`; None is for ever."""
    if loop is None:
        return 1
    return loop or None


def _pair(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not equals or (not old and not new):
        raise WrongUsage(f"--remap {text!r}: OLD=NEW, levels that topics begin with")
    return old.rstrip("/"), new.rstrip("/")


def _moment(option: str, text: str | None) -> Moment | None:
    if text is None:
        return None
    seconds = _number(text)
    if seconds is not None:
        if not 0 <= seconds < math.inf:
            raise WrongUsage(f"{option} {text}: seconds after the first message, from 0 on")
        return Moment(round(seconds * _SECOND), relative=True)
    return Moment(time_of(option, text), relative=False)


def _rebase(text: str | None) -> int | None:
    if text is None:
        return None
    return time.time_ns() // 1000 if text == "now" else time_of("--rebase", text)


def time_of(option: str, text: str) -> int:
    """Read a time as text, in µs; the fraction may be shorter or missing."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    try:
        return time_us(f"{whole}.{fraction:0<6}Z")
    except NotCanonical:
        what = "a time like 2026-11-23T08:00:00Z"
        raise WrongUsage(f"{option} {text!r}: not {what}") from None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _resigner(folder: Path) -> Resigner:
    data = DataDir(folder)
    data.create()
    return Resigner(cache(Enrolments(data).ensure_device))
