"""One machine's part of the report: what it said, how it looked, what is missing. Pure."""

from collections.abc import Iterator
from typing import Any, Final

from dossier.machine import LISTED
from dossier.metrics import COLUMNS, MOST_METRICS
from dossier.report.chart import chart
from dossier.report.markup import Markup, joined, raw, table, tag, text
from dossier.report.overview import bullets, facts
from dossier.report.words import count, many, moment, number, second

DRAWN: Final = 24
"""Metrics of one machine that are drawn; all are in the table."""
_NAME: Final = 90
_STATES: Final = 20


def machine_part(one: dict[str, Any], figures: dict[str, Any]) -> Markup:
    """The part, on pages of its own."""
    return tag(
        "section",
        tag("h2", "Machine ", text(one["device"])),
        _facts(one),
        _gaps(one),
        _metrics(one),
        _charts(one, figures),
        _events(one),
        _states(one),
        _others(one),
        _corrections(one, figures),
        tag(
            "div",
            tag("h3", "Not shown"),
            bullets([_sentence(said) for said in one["not_shown"]] or ["Nothing beyond page 1."]),
            class_="whole",
        ),
        class_="machine",
        id=f"machine-{one['device']}",
    )


def _facts(one: dict[str, Any]) -> Markup:
    statuses = ", ".join(f"{n:,} {status}" for status, n in one["statuses"].items())
    return facts(
        ("Messages", f"{statuses or 'none'}; {many(one['readings'], 'reading')}"),
        *([("Signed by", text(f"gateway {', '.join(one['gateways'])}, on behalf of this machine, "
            "which cannot sign: what happened between the two is not shown", 300))]
          if one["gateways"] else []),
        *([("Erased", (f"{many(one['erased'], 'message')}, in or next to the period: that they "
            "were there is shown, what they said and when is not"))] if one["erased"] else []),
        *([("Other codec", (f"{many(one['without_readings'], 'message')} are Sparkplug B: proved "
            "and kept in the proofs; their values are not in the readings"))]
          if one["without_readings"] else []),
        ("By its clock", f"{moment(one['first'])} to {moment(one['last'])} UTC"
         if one["first"] else "no message"),
        ("By witnesses", (f"signed not before: {second(one['not_before'])}; in the log not after: "
         f"{second(one['not_after'])} (UTC)")),
        ("Sessions", "; ".join(_sessions(one)) or "none"),
        ("Its keys", ", ".join(one["keys"]) or "none"),
        ("Collectors", ", ".join(one["collectors"]) or "none"),
        ("Proofs", f"{many(one['files'], 'file')} in proofs/{one['device']}"),
    )  # fmt: skip


def _sessions(one: dict[str, Any]) -> Iterator[str]:
    for name, first, last in one["sessions"][:12]:
        yield f"{name}, messages {first:,} to {last:,}"
    more = one["session_count"] - min(len(one["sessions"]), 12)
    if more:
        yield f"{more:,} more"


def _gaps(one: dict[str, Any]) -> Markup:
    if not one["missing_gaps"] and not one["broken_count"]:
        return joined("")
    rows = [
        (text(session), f"{first:,}" if first == last else f"{first:,} to {last:,}",
         tag("strong", "missing: the machine numbered them, and they are not here", class_="bad"))
        for session, first, last in one["missing"]
    ] + [
        (text(session), f"{seq:,}",
         tag("strong", "breaks the chain: it names another message before it", class_="bad"))
        for session, seq in one["broken"]
    ]  # fmt: skip
    more = one["missing_gaps"] + one["broken_count"] - len(rows)
    return joined(
        tag("h3", "Gaps and breaks"),
        table(("Session", "Messages", "What"), rows),
        _more(more, "place", "places"),
    )


def _metrics(one: dict[str, Any]) -> Markup:
    if not one["metrics"]:
        return joined("")
    heads = ("Metric", "Unit", "Readings", "Lowest", "Mean", "Highest", "Out of range")
    rows = [
        (
            text(metric["name"], _NAME),
            text(metric["unit"] or "-", 24),
            count(metric["readings"]),
            number(metric["lowest"]),
            number(metric["mean"]),
            number(metric["highest"]),
            count(metric["out_of_range"]) if metric["unit"] else "-",
        )
        for metric in one["metrics"]
    ]
    more = ""
    if one["more_readings"]:
        more = (
            f"{many(one['more_readings'], 'reading')} of further metrics than the first "
            f"{MOST_METRICS} are in readings.csv alone."
        )
    return joined(
        tag("h3", "What it measured"),
        table(heads, rows, class_="metrics"),
        tag("p", "Units and ranges are those that the machine's signed birth message names. ",
            more, class_="quiet"),
    )  # fmt: skip


def _charts(one: dict[str, Any], figures: dict[str, Any]) -> Markup:
    if not one["metrics"]:
        return joined("")
    shown = [_figure(metric) for metric in one["metrics"][:DRAWN]]
    undrawn = len(one["metrics"]) - len(shown)
    rest = f" {many(undrawn, 'further metric is', 'further metrics are')} not drawn." * (
        undrawn > 0
    )
    return joined(
        tag("h3", "Over the period"),
        tag("p", f"From {second(figures['from'])} (left) to {second(figures['to'])} (right), in "
            f"{COLUMNS} columns: a bar from the lowest to the highest reading of each, and a line "
            f"through the means. Every single reading is in readings.csv.{rest}", class_="quiet"),
        tag("div", raw("\n"), shown, class_="charts"),
    )  # fmt: skip


def _figure(metric: dict[str, Any]) -> Markup:
    unit = f" ({metric['unit']})" if metric["unit"] else ""
    name = f"{metric['name'][:_NAME]}{unit[:30]}"
    label = f"{name}: from {number(metric['lowest'])} to {number(metric['highest'])}"
    drawn = chart(metric["chart"], metric["lowest"], metric["highest"], text(label))
    return joined(tag("figure", tag("figcaption", text(name, 130)), drawn), raw("\n"))


def _events(one: dict[str, Any]) -> Markup:
    if not one["events"]:
        return joined("")
    return joined(
        tag("h3", "Starts and events"),
        _told(one["events"]),
        _more(one["more_events"], "event", "events"),
    )


def _states(one: dict[str, Any]) -> Markup:
    """How often each state was entered, and the first changes."""
    counts = one["state_counts"]
    if not counts:
        return joined("")
    said = ", ".join(f"{name} {times:,}" for name, times in list(counts.items())[:_STATES])
    more = sum(counts.values()) - len(one["states"])
    return joined(
        tag("h3", "States"),
        tag("p", text(f"Entered so often: {said}.", 600)),
        _told(one["states"]),
        tag("p", f"{many(more, 'change', 'changes')} more, in the proofs.") if more else "",
    )


def _told(events: list[dict[str, Any]]) -> Markup:
    rows = [
        (moment(event["time"]), event["kind"], text(event["says"]), f"{event['seq']:,}")
        for event in events
    ]
    return table(("Time (its clock)", "Kind", "What it says", "Message"), rows, class_="events")


def _others(one: dict[str, Any]) -> Markup:
    if not one["others"]:
        return joined("")
    why = {
        "conflict": "conflict: another message had this number before",
        "revoked": "revoked: signed by a key that the operator had ended",
    }
    rows = [
        (moment(other["time"]) if other["time"] else "erased", why[other["status"]],
         text(f"{other['session']} / {other['seq']}"),
         text(f"{other['collector']}:{other['position']}"))
        for other in one["others"]
    ]  # fmt: skip
    total = sum(n for status, n in one["statuses"].items() if status != "accepted")
    return joined(
        tag("h3", "Kept, and not counted"),
        table(("Time (its clock)", "Why", "Session / number", "Place"), rows),
        tag("p", "As far as this package brings them: that there were no more is not shown.",
            class_="quiet"),
        _more(total - len(rows), "message", "messages"),
    )  # fmt: skip


def _corrections(one: dict[str, Any], figures: dict[str, Any]) -> Markup:
    """What the operator said later of its messages, which stay as they are."""
    mine = [said for said in figures["corrections"] if said["device"] == one["device"]]
    if not mine:
        return joined("")
    rows = [
        (second(said["time"]), _what(said), text(said["reason"], 300),
         text(f"{said['by']} ({said['meaning']})", 220))
        for said in mine[:LISTED]
    ]  # fmt: skip
    return joined(
        tag("h3", "Corrections"),
        tag("p", "The operator's signed words on messages of this machine. They stand in the log "
            "beside what they are about, which is proved and kept as the machine sent it, and all "
            "figures here are of that. That there is no later one is shown by the log alone.",
            class_="quiet"),
        table(("Signed at (UTC)", "What", "Reason", "By (meaning)"), rows, class_="corrections"),
        _more(len(mine) - len(rows), "correction", "corrections"),
    )  # fmt: skip


def _what(said: dict[str, Any]) -> Markup:
    words = f"{said['kind']} {said['index']}, of message {said['message']}"
    if said["metric"] is not None:
        unit = f" {said['unit']}" if said["unit"] else ""
        words += (
            f": {said['metric'][:_NAME]} at {moment(said['scan'])} is stored as {said['stored']} "
            f"and should have been {said['corrected']}{unit}"
        )
    if said["superseded_by"] is not None:
        words += f"; superseded by {said['superseded_by']}"
    return text(words, 500)


def _more(value: int, one: str, more: str) -> Markup:
    if value <= 0:
        return joined("")
    return tag("p", f"{many(value, one, more)} beyond the first {LISTED}, not listed.")


def _sentence(said: str) -> str:
    """A clause that follows “not shown:”, as a sentence of its own."""
    return said[:1].upper() + said[1:]
