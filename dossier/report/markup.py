"""HTML that is escaped unless it was made here: foreign words can never become markup. Pure."""

from collections.abc import Iterable
from html import escape
from typing import TypeAlias

from telemetry.canonical import plain

Child: TypeAlias = "Markup | str | Iterable[Markup | str]"


class Markup(str):
    """Text that is HTML already; only this module makes it."""

    __slots__ = ()


def text(said: str, most: int = 160) -> Markup:
    """Anybody's words: printable, cut where they are long, escaped."""
    shown = plain(said)
    if len(shown) > most:
        shown = f"{shown[:most]}…"
    return Markup(escape(shown))


def tag(name: str, *children: Child, **attributes: str | int | None) -> Markup:
    """An element; attributes with `_` for `-`, one that ends in `_` without it; None for none."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{said}>{joined(*children)}</{name}>")


def joined(*children: Child) -> Markup:
    """Several, one after the other; what is no markup is escaped."""
    return Markup("".join(map(_one, children)))


def raw(made: str) -> Markup:
    """Markup of our own files."""
    return Markup(made)


def table(heads: Iterable[Child], rows: Iterable[Iterable[Child]], **attributes: str) -> Markup:
    """A table: a row of headings, then the rows, a line of the file each."""
    head = tag("tr", [tag("th", one, scope="col") for one in heads])
    body = [joined(tag("tr", [tag("td", one) for one in row]), raw("\n")) for row in rows]
    return joined(
        tag("table", tag("thead", head), tag("tbody", raw("\n"), body), **attributes), raw("\n")
    )


def _one(child: Child) -> str:
    if isinstance(child, Markup):
        return child
    if isinstance(child, str):
        return text(child, 10_000)
    return "".join(map(_one, child))
