"""Clients of a bundle that their broker shut out, and what was not said of them yet. Pure.

One that is shut out is tried again seldom and said once, with others of the same moment.
"""

from collections.abc import Iterator
from typing import Final

from telemetry.errors import SessionTakenOver

NAMED: Final = 5  # of those with one reason; the rest are counted


class Outcasts:
    """Who is shut out, by client id, and why."""

    def __init__(self) -> None:
        self._why: dict[str, Exception] = {}
        self._unsaid: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return len(self._why)

    def __contains__(self, name: str) -> bool:
        return name in self._why

    @property
    def displaced(self) -> int:
        """How many of them another client took the place of, again and again."""
        return sum(isinstance(why, SessionTakenOver) for why in self._why.values())

    @property
    def unsaid(self) -> bool:
        """Whether there is something to say."""
        return bool(self._unsaid)

    def add(self, name: str, why: Exception) -> None:
        """Take note of one; said if it was not known, or is out for another reason now."""
        if str(self._why.get(name)) != str(why):
            self._unsaid.setdefault(str(why), []).append(name)
        self._why[name] = why

    def remove(self, name: str) -> bool:
        """Take note that one is back; whether it was out."""
        return self._why.pop(name, None) is not None

    def say(self) -> Iterator[tuple[list[str], str]]:
        """Give those not said yet with their reason, which then is said."""
        unsaid, self._unsaid = self._unsaid, {}
        for why, names in unsaid.items():
            yield names, why


def named(names: list[str]) -> str:
    """Give names for people: the first few, and how many there are beside them."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
