"""How times, numbers and hashes read on paper. Pure."""

from dossier.report.markup import Markup, joined, raw, tag

_GROUP = 4


def moment(said: str | None) -> str:
    """A time as text, for people: without the zeros at its end; all times are UTC."""
    if said is None:
        return "not known"
    day, _, time = said.removesuffix("Z").partition("T")
    return f"{day} {time.rstrip('0').rstrip('.')}"


def second(said: str | None) -> str:
    """The same, to the second."""
    return "not known" if said is None else f"{said[:10]} {said[11:19]}"


def number(value: float | None) -> str:
    """Six digits of a number; all of them are in the readings."""
    return "-" if value is None else f"{value:.6g}"


def count(value: int) -> str:
    """A count, its thousands apart."""
    return f"{value:,}"


def many(value: int, one: str, more: str | None = None) -> str:
    """A count and its noun."""
    return f"{value:,} {one if value == 1 else more or one + 's'}"


def groups(said: str) -> Markup:
    """A hash in groups of four characters, to be compared by eye."""
    parts = [said[at : at + _GROUP] for at in range(0, len(said), _GROUP)]
    return tag("span", joined(*(joined(tag("i", part), raw(" ")) for part in parts)), class_="hash")
