"""Whether what is heard counts: a machine that signs is taken at no word that is not its own. Pure.

Without keys at hand a signature tells its shape alone. Checking one costs some 0.1 ms, so only
so many are checked a second: beyond that nothing is believed, and nothing blamed.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, cast, get_args

from watch.floor.heard import Heard, Standing

Judge = Callable[[str, bytes, str | None], str]
"""From topic, payload and the properties' canonical text to a status of docs/formats.md."""

MOST_CHECKED: Final = 3000
"""Signatures a second."""
_SECOND: Final = 1_000_000
_WHY: Final[dict[Standing, str]] = {
    "unsigned": "without a signature",
    "bad-signature": "whose signature does not hold",
    "unknown-device": "signed with a key that nobody enrolled",
    "revoked": "signed with a key that was revoked or replaced",
    "malformed": "that looks signed and is not well-formed",
}
_KNOWN: Final = frozenset(get_args(Standing))


class Checking:
    """Says how messages stand, so many a second; `judge` None: by their shape."""

    def __init__(self, judge: Judge | None, most: int = MOST_CHECKED) -> None:
        self.judge = judge
        """May come later, once there are keys."""
        self._most = most
        self._second = 0
        self._checked = 0
        self.unchecked = 0

    def checked(
        self, said: Heard, topic: str, payload: bytes, properties: str | None, now: int
    ) -> Heard:
        """Say how a message stands that came `now` (microseconds)."""
        if self.judge is None or said.shape == "unsigned":
            return replace(said, standing=said.shape)
        if now // _SECOND != self._second:
            self._second, self._checked = now // _SECOND, 0
        if self._checked >= self._most:
            self.unchecked += 1
            return replace(said, standing="unchecked")
        self._checked += 1
        status = self.judge(topic, payload, properties)
        if status == "accepted":
            return replace(said, standing="verified")
        assert status in _KNOWN
        return replace(said, standing=cast("Standing", status))


def counts(standing: Standing, *, signs: bool) -> bool:
    """Whether a message is taken at its word, of a machine that `signs` or does not yet."""
    if standing == "verified":
        return True
    if standing == "signed":
        return True  # nobody here can tell: the page says so
    return standing in {"unsigned", "unknown-device"} and not signs


def why_not(kind: str, standing: Standing) -> str:
    """Say what is wrong with a message that does not count."""
    return f"a {kind} message {_WHY.get(standing, 'that was not checked')}"
