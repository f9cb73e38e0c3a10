"""Whose keys are whose, and the log that all of it stands in. Pure."""

from collections.abc import Iterator
from typing import Any, Final

from dossier.report.markup import Markup, joined, raw, table, tag, text
from dossier.report.overview import facts
from dossier.report.words import count, groups, many, second

_LISTED: Final = 40
_ACTIONS: Final = {
    ("enrol", "device"): "Machine {name} gets key {key}",
    ("enrol", "collector"): "Collector {name} gets key {key}",
    ("rotate", "device"): "Machine {name} gets key {key} in place of the one before",
    ("rotate", "collector"): "Collector {name} gets key {key} in place of the one before",
    ("rotate", "log"): "The log itself gets key {key} in place of the one before",
    ("revoke", "device"): "A key of machine {name} ends",
    ("revoke", "collector"): "The key of collector {name} ends",
    ("erase", "messages"): "What messages {name} said is erased",
}


def keys_part(figures: dict[str, Any]) -> Markup:
    """The operator's signed words, as they stand in the log."""
    brought = {one["entry"]: one["key"] for one in figures["keys"]}
    rows = [
        (second(one["time"]), _said(one, brought), count(one["index"])) for one in figures["keys"]
    ]
    return joined(
        tag("h2", "Whose keys these are", class_="apart"),
        tag("p", "What the operator ", tag("code", text(figures["operator"] or "nobody")),
            " signed about the keys of these machines and collectors, in the order in which it "
            "stands in the log; the files are in keys/, each with its proof. A machine's name "
            "means: who holds the key that the operator enrolled under it."),
        table(("Signed at (UTC)", "What", "Entry"), rows),
        tag("p", "A key is named by the first 16 digits of its SHA-256. That no later entry ends "
            "a key is shown by the log alone, not by this package.", class_="quiet"),
    )  # fmt: skip


def _said(one: dict[str, Any], brought: dict[str, str | None]) -> Markup:
    words = _ACTIONS.get((one["action"], one["kind"]), "{name}")
    ended = brought.get(one["prior"]) if one["prior"] else None
    said = words.format(name=one["name"], key=one["key"])
    if one["gateway"] is not None:
        said += f", which gateway {one['gateway']} holds and signs with on its behalf"
    return text(f"{said} ({ended})" if ended else said, 300)


def log_part(figures: dict[str, Any]) -> Markup:
    """The log, its witnesses, and the heads that the proofs rest on."""
    checkpoints = figures["checkpoints"]
    return joined(
        tag("h2", "The log"),
        facts(
            ("Origin", tag("code", text(figures["log"]))),
            ("Witnesses", ", ".join(figures["witnesses"]) or "none"),
            ("Quorum", _quorum(figures)),
            ("Outside ledgers", _receipts(figures)),
        ),
        tag("h3", "Heads of the log that the proofs rest on"),
        tag("p", "At each of these sizes the published log must have this root, and so must what "
            "each witness saw. Two roots at one size would convict the keeper of the log. The "
            "letters are grouped to be compared by eye; upper and lower case differ."),
        table(("Entries", "Root", "Cosigned (UTC)"), map(_head, checkpoints[-_LISTED:]),
              class_="heads"),
        tag("p", f"{many(len(checkpoints) - _LISTED, 'smaller head is', 'smaller heads are')} "
            "in checkpoints/ and not printed: a larger one contains all that they do.")
        if len(checkpoints) > _LISTED else "",
    )  # fmt: skip


def _quorum(figures: dict[str, Any]) -> str:
    if not figures["witnessed"]:
        return (
            "none: the maker's policy asks for no witness, so all rests on the log's own key, and "
            "its holder could show others another log"
        )
    return f"{figures['quorum']}, by the maker's policy"


def _receipts(figures: dict[str, Any]) -> Markup | str:
    if not figures["receipts"]:
        return "no receipt of one is in the proofs"
    said = sorted({f"{ledger} ({kind})" for ledger, kind, _ in figures["receipts"]})
    return text(
        f"{many(len(figures['receipts']), 'receipt')} of {', '.join(said)} are in the proofs. "
        "What they show depends on the ledgers that whoever checks has pinned: verify --ledgers",
        400,
    )


def _head(one: dict[str, Any]) -> tuple[str, Markup, Markup]:
    note = tag("p", tag("code", f"checkpoints/{one['note'][:16]}…"), class_="quiet")
    lines = [joined(line, raw("<br>")) for line in _cosigned(one)]
    return count(one["size"]), joined(groups(one["root"]), note), joined(lines or "by nobody")


def _cosigned(one: dict[str, Any]) -> Iterator[str]:
    for name, time in one["cosigned"]:
        yield f"{name}, {second(time)}" if time else name
