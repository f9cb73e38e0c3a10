"""docs/errors.md: exit codes, errors, findings, statuses, rendered by `make docs`.

What an error is comes from its class, its exit code from the program's own table, an event's
row from operations; what to do is said here and in errors_words.py, for every one and no other.
"""

import ast
import re
import sys
from pathlib import Path

from errors_words import ERRORS, EXITS, FINDINGS, STATUS

from anchor.audit.findings import KINDS
from factoryledger.exits import Exit, _table
from telemetry.record import STATUSES

# Prose of the page keeps its lines as Markdown wants them.
# ruff: noqa: E501
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "errors.md"
PARTS = ("factoryledger", "telemetry", "anchor", "collector", "simulator", "dossier")
TOP = """# Errors and findings

Everything that the program can say is wrong, and what to do. This page is rendered from the program (`make docs`); a test holds that each exit code, error, finding, status and event is here, and nothing else.

An error is one sentence on stderr: what, where, what to try. A command ends with the exit code that goes with it. With `FACTORYLEDGER_TRACEBACK=1` the traceback names the error's class as below. Where else the program speaks:

- lines of [`doctor`](operations.md#what-is-wrong-here), each with what to do;
- [events in the log](#events-in-the-log) of parts that run for long, and the [alarms](operations.md#alarms) of their metrics;
- [findings](#findings-of-an-audit) of `audit`, and what `verify` says of a proof;
- [statuses](#statuses-of-messages) of messages in the store."""


def classes():
    """Every error of the parts: class by part, from their errors.py alone."""
    for part in PARTS:
        tree = ast.parse((ROOT / part / "errors.py").read_text("utf-8"))
        yield from ((part, node.name) for node in tree.body if isinstance(node, ast.ClassDef))


def class_of(part, name):
    """The class itself."""
    return getattr(sys.modules[f"{part}.errors"], name)


def code_of(found):
    """The exit code that the program gives to such an error."""
    return next((code for kind, code in _table() if issubclass(found, kind)), Exit.FAULT)


def first_sentence(found):
    """A class's own words, on one line."""
    words = " ".join((found.__doc__ or "").split())
    return re.split(r"(?<=[.;]) (?=[A-Z(])", words)[0].replace("|", "\\|")


def errors_table():
    """Errors by part; roots, which nothing raises by themselves, are left out."""
    rows = ["| error | of | is | exit code | what to try |", "|---|---|---|---|---|"]
    roots = {
        "FactoryledgerError",
        "TelemetryError",
        "AnchorError",
        "DossierError",
        "CollectorError",
        "SimulatorError",
    }
    for part, name in classes():
        if name not in roots:
            found = class_of(part, name)
            rows.append(
                f"| `{name}` | {part} | {first_sentence(found)} | {code_of(found)} | {ERRORS[name]} |"
            )
    return "\n".join(rows)


def exits_table():
    """Exit codes."""
    rows = ["| exit code | means | do |", "|---|---|---|"]
    rows += [f"| {code.value} | {EXITS[code.name][0]} | {EXITS[code.name][1]} |" for code in Exit]
    return "\n".join(rows)


def findings_table():
    """Kinds of findings."""
    rows = ["| finding | what was found | blamed | what to do |", "|---|---|---|---|"]
    rows += [f"| `{kind}` | {' | '.join(FINDINGS[kind])} |" for kind in KINDS]
    return "\n".join(rows)


def statuses_table():
    """Statuses of messages."""
    rows = ["| status | the message | what to do |", "|---|---|---|"]
    rows += [f"| `{status}` | {' | '.join(STATUS[status])} |" for status in STATUSES]
    return "\n".join(rows)


FINDINGS_TOP = """A finding names a row, or a file of the log, and who is to blame: `store` where only somebody who can write to the database can have done it, else the name of a key. `certainty` says how sure that is: `certain`, `likely` or `one-of` ([what they mean](security.md)). Whatever is found: keep a copy of store and log as they are before anything is mended, and compare with a [backup](recovery.md). Exit code 1."""

STATUSES_TOP = """Nothing that is refused as a machine's word is thrown away: it is stored and anchored with what is wrong with it. `stats` counts by status."""


EVENTS_TOP = """Warnings and errors that parts write while they run, from [operations](operations.md#logs), where a test holds them against the program."""


def events_table():
    """Events of the log that are worth a look, as operations has them."""
    text = (ROOT / "docs" / "operations.md").read_text("utf-8").split("\n## Logs")[1]
    found = re.findall(r"^\| `.+`? \| (?:warning|error) \| .*$", text, re.MULTILINE)
    return "\n".join(
        ["| event | level | of | means, and what to do |", "|---|---|---|---|", *found]
    )


def render():
    """The whole page."""
    parts = [TOP, "## Exit codes", exits_table(), "## Errors", errors_table()]
    parts += ["## Findings of an audit", FINDINGS_TOP, findings_table()]
    parts += ["## Statuses of messages", STATUSES_TOP, statuses_table()]
    return "\n\n".join([*parts, "## Events in the log", EVENTS_TOP, events_table()]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
