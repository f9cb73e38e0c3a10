"""The report's first pages: what it is of, what is shown and what is not, all machines. Pure."""

from collections.abc import Iterator
from typing import Any, Final

from dossier.manifest import Manifest
from dossier.report.markup import Markup, joined, raw, table, tag, text
from dossier.report.words import count, groups, many, moment, second
from telemetry.canonical import time_text

_NAMED: Final = 12


def overview(manifest: Manifest, figures: dict[str, Any]) -> Markup:
    """Title, facts, what is shown and not shown, the table of machines."""
    about = manifest.about
    return joined(
        tag("p", "Evidence package", class_="kind"),
        tag("h1", text(about.title, 200)),
        _facts(manifest),
        tag("h2", "What this shows"),
        _claims(figures),
        tag("h2", "The machines"),
        _machines(figures),
    )


def _facts(manifest: Manifest) -> Markup:
    about = manifest.about
    start, stop = moment(time_text(about.start)), moment(time_text(about.stop))
    named = ", ".join(about.machines[:_NAMED])
    more = len(about.machines) - _NAMED
    machines = f"{len(about.machines):,}: {named}{f' and {more:,} more' if more > 0 else ''}"
    return facts(
        ("Period", f"{start} until before {stop} UTC, by the machines' own clocks"),
        ("Machines", machines),
        ("Made", joined(f"{second(time_text(about.made))} UTC by ", text(about.by, 200),
         ", with ", text(f"factoryledger {about.release}"))),
        ("Package number", joined(groups(manifest.number), tag("p", "The SHA-256 of "
         "manifest.json, which names every file by its own. It stands at the top of each printed "
         "page: a page with another number is of another package.", class_="quiet"))),
    )  # fmt: skip


def facts(*pairs: tuple[str, Markup | str]) -> Markup:
    """Names and what they stand for."""
    rows = [joined(tag("div", tag("dt", one), tag("dd", said)), raw("\n")) for one, said in pairs]
    return joined(tag("dl", raw("\n"), rows, class_="facts"), raw("\n"))


def bullets(sentences: Iterator[str] | list[str]) -> Markup:
    """Sentences as a list."""
    return joined(tag("ul", raw("\n"), [joined(tag("li", one), raw("\n")) for one in sentences]))


def _claims(figures: dict[str, Any]) -> Markup:
    return joined(
        tag("div",
            tag("section", tag("h3", "Shown, if it holds"),
                bullets(_shown(figures))),
            tag("section", tag("h3", "Not shown"), bullets(_not_shown(figures))),
            class_="boxes"),
        tag("p", "Whether it holds is not for this page to say: a false report would say the "
            "same. The part “Check it yourself” tells how to find out, with the program, in a "
            "browser, or with other people's tools.", class_="quiet"),
    )  # fmt: skip


def _shown(figures: dict[str, Any]) -> Iterator[str]:
    machines = figures["machines"]
    messages = sum(one["messages"] for one in machines)
    readings = sum(one["readings"] for one in machines)
    erased = sum(one["erased"] for one in machines)
    gaps = sum(one["missing_gaps"] for one in machines)
    lost = sum(one["missing_messages"] for one in machines)
    broken = sum(one["broken_count"] for one in machines)
    others = sum(n for one in machines for s, n in one["statuses"].items() if s != "accepted")
    yield (
        f"{many(messages, 'message')} with {many(readings, 'reading')} were signed by the keys "
        "that the operator had enrolled for these machines, and are unchanged since."
    )
    if gaps:
        yield (
            f"{many(lost, 'message')} in {many(gaps, 'place')} are missing: the machines numbered "
            "them, and they are not here. Each place is listed with its machine."
        )
    else:
        yield "No message is missing between the first and the last of any session here."
    if broken:
        yield f"{many(broken, 'message')} do not follow on the one before: listed below."
    if figures["witnessed"]:
        yield (
            f"All of it stands in the log {figures['log']}, as its witnesses saw it "
            f"(quorum {figures['quorum']}): whoever keeps the log could not rewrite it since."
        )
    else:
        yield f"All of it stands in the log {figures['log']}, by the word of the log's key."
    if others:
        yield (
            f"{many(others, 'message')} more came under a machine's name and did not count: "
            "under a number that was taken, or a key that had ended. They are listed."
        )
    if erased:
        yield f"{many(erased, 'message')} more were there; what they said has been erased."


def _not_shown(figures: dict[str, Any]) -> Iterator[str]:
    yield "That a sensor told the truth, or that a machine's clock was right."
    yield "That nobody else held a machine's key."
    yield (
        "That a machine made nothing before its first or after its last message here, where its "
        "part says so."
    )
    if not figures["witnessed"]:
        yield (
            "That the keeper of the log shows everybody the same log: no witness is required by "
            "the policy of who made this."
        )
    if any(one["not_after"] is None for one in figures["machines"] if one["messages"]):
        yield "By when the messages were there, where a machine's part says “not known”."
    yield "That the operator ended no key later than is told here."


def _machines(figures: dict[str, Any]) -> Markup:
    heads = ("Machine", "Messages", "Readings", "Missing", "Did not count", "Signed not before",
             "In the log not after")  # fmt: skip
    rows = [
        (
            tag("a", text(one["device"]), href=f"#machine-{one['device']}"),
            count(one["messages"]),
            count(one["readings"]),
            _alarming(one["missing_messages"]),
            _alarming(sum(n for s, n in one["statuses"].items() if s != "accepted")),
            second(one["not_before"]),
            second(one["not_after"]),
        )
        for one in figures["machines"]
    ]
    return joined(
        tag(
            "p",
            "Times are UTC. “Signed not before”: the first message cites a head of the log that a "
            "quorum of witnesses had not seen earlier. “In the log not after”: by then a quorum "
            "had seen a log that holds all messages. Neither rests on the machine's clock or on "
            "the operator.",
            class_="quiet",
        ),
        table(heads, rows, class_="machines"),
    )


def _alarming(value: int) -> Markup | str:
    return tag("strong", count(value), class_="bad") if value else "0"
