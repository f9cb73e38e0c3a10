"""A target: one parser of bytes that come from outside, and what it may do with any bytes.

It takes them, or refuses them by its own declared error. Everything else is a finding: another
exception (RecursionError, MemoryError, UnicodeError, IndexError, OverflowError …), a false
assertion, more time or more memory than its bounds. `tests/fuzz` and `make fuzz` use the same.
"""

import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import process_time
from typing import Any

SECONDS = 1.0
"""Of processor time that an input may take."""


class Skipped(Exception):  # noqa: N818 - what became of the input
    """These bytes never reach the parser: it is given text, or what another part has cut out."""


@dataclass(frozen=True)
class Target:
    """`run` gives the bytes to the parser and asserts what holds of all that it takes.

    `refusals` are the errors that it declares; a UnicodeError is none, though it is a
    ValueError. `seeds` gives examples that are taken. It may use `base` bytes of memory and
    `factor` times the input's length. `tokens` are words of the format, for a dictionary.
    Inputs are up to `longest` bytes, in the suite up to about `swollen`.
    """

    name: str
    run: Callable[[bytes], object]
    refusals: tuple[type[BaseException], ...]
    seeds: Callable[[], Sequence[bytes]]
    tokens: tuple[bytes, ...] = ()
    factor: int = 64
    base: int = 2 << 20
    longest: int = 1 << 16
    swollen: int = 1 << 13


def attempt(target: Target, data: bytes) -> bool:
    """Whether the target takes the input; raises what is a finding."""
    try:
        target.run(data)
    except Skipped:
        return False
    except target.refusals as error:
        if isinstance(error, UnicodeError) and not any(
            issubclass(one, UnicodeError) for one in target.refusals
        ):
            raise
        return False
    return True


class OverBound(AssertionError):  # noqa: N818 - what the input is
    """An input took more time or memory than its target may."""


def measured(target: Target, data: bytes) -> bool:
    """As `attempt`, and OverBound where it took too much time or memory."""
    tracemalloc.start()
    started = process_time()
    try:
        taken = attempt(target, data)
        spent = process_time() - started
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    if spent > SECONDS:
        raise OverBound(f"{target.name}: {spent:.1f} s of processor time for {len(data)} bytes")
    allowed = target.base + target.factor * len(data)
    if peak > allowed:
        raise OverBound(
            f"{target.name}: {peak} bytes of memory for {len(data)}; {allowed} are allowed"
        )
    return taken


def same(read: Callable[[bytes], Any], write: Callable[[Any], bytes]) -> Callable[[bytes], None]:
    """A format of one spelling: what is read would be written the same."""

    def run(data: bytes) -> None:
        written = write(read(data))
        assert written == data, f"taken, and written otherwise: {written[:200]!r}"

    return run


def text(data: bytes) -> str:
    """The input as text, where the parser is given text."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Skipped from None


def cut(data: bytes, parts: int, mark: bytes = b"\n%%%\n") -> list[bytes]:
    """The input as several, for a parser that is given several: cut at a mark."""
    found = data.split(mark, parts - 1)
    return found + [b""] * (parts - len(found))
