"""Time from both sides: what witnesses and outside ledgers bound together. Pure.

A ledger's stamp stands in for one witness that the quorum lacks. So whoever lies alone, a
witness or a ledger, moves neither bound, as long as the quorum asks for more than one. What
has several names, or several stamps, is one all the same.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from anchor.ledgers.ledger import Stamp
from anchor.policy import Cosigned, Policy

_ALONE = 2
"""How many ledgers must agree where the policy asks no witness, if there are so many."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A time (POSIX seconds) and who vouches for it: names of witnesses, names of ledgers."""

    time: int
    witnesses: tuple[str, ...] = ()
    ledgers: tuple[str, ...] = ()


def not_before(policy: Policy, cited: Cosigned) -> Bound | None:
    """The latest T such that cosignatures from T on meet the quorum: whoever cites is later.

    None where no time is known. What ledgers say bounds nothing from below.
    """
    time = policy.not_before(cited)
    if time is None:
        return None
    return Bound(time, tuple(name for name, said in cited.times.items() if said >= time))


def not_after(
    policy: Policy, containing: Iterable[Cosigned], stamps: Iterable[Stamp]
) -> Bound | None:
    """The earliest T such that cosignatures and stamps until T meet the quorum.

    Each of `containing` has the entry in its tree, and so has what each stamp is of. None
    where no time is known. With no quorum two ledgers must agree, or the only one is believed.
    """
    witnesses = _earliest((n, t) for one in containing for n, t in one.times.items() if t)
    ledgers = _words(stamps)
    enough = _quorum_by(policy, len(ledgers))
    for bound in sorted({*witnesses.values(), *(stamp.time for stamp in ledgers)}):
        seen = tuple(name for name, time in witnesses.items() if time <= bound)
        stamped = tuple(stamp.ledger for stamp in ledgers if stamp.time <= bound)
        if enough(seen, len(stamped)):
            return Bound(bound, seen if policy.lacking(()) else (), stamped)
    return None


def _quorum_by(policy: Policy, ledgers: int) -> Callable[[Sequence[str], int], bool]:
    if policy.lacking(()):
        return lambda seen, stamped: policy.lacking(seen) <= stamped
    needed = min(_ALONE, ledgers)
    return lambda _, stamped: 0 < needed <= stamped


def _words(stamps: Iterable[Stamp]) -> list[Stamp]:
    """The earliest stamp of each who has a word.

    Ledgers are one where they share a source, also by way of a third: who lies alone has one.
    """
    words: list[tuple[set[str], Stamp]] = []
    for stamp in stamps:
        if stamp.lacking is not None:
            continue
        sources, earliest = {f"ledger {stamp.ledger}", *stamp.sources}, stamp
        others = list[tuple[set[str], Stamp]]()
        for known in words:
            if sources.isdisjoint(known[0]):
                others.append(known)
            else:
                sources |= known[0]
                earliest = min(known[1], earliest, key=lambda one: one.time)
        words = [*others, (sources, earliest)]
    return [earliest for _, earliest in words]


def _earliest(times: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, time in times:
        found[name] = min(time, found.get(name, time))
    return found
