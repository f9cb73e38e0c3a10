"""docs/commands.md, rendered from the commands themselves: `make docs` writes it."""

import inspect
import sys
from pathlib import Path

import typer

from factoryledger.cli import app
from factoryledger.manual import manuals

# Prose of the page keeps its lines as Markdown wants them.
# ruff: noqa: E501
BAR = "\\|"
PAGE = Path(__file__).parents[2] / "docs" / "commands.md"

TOP = """# Commands

`factoryledger COMMAND`. This page is rendered from the program (`make docs`); a test compares the two.

| exit code | means |
|---|---|
| 0 | good |
| 1 | checked and found false: tampering, a proof that does not hold |
| 2 | wrong usage or unreadable input |
| 3 | something it needs is not there: a broker, a database, a key |
| 70 | a fault of this program |
| 130 | ended by a second Ctrl-C |

Errors are one sentence on stderr; `FACTORYLEDGER_TRACEBACK=1` adds the traceback. Results go to stdout. A command that runs until it is stopped says `what it is: ready` on stderr once, and stops cleanly on SIGTERM and Ctrl-C.

## Settings

What has a flag here can as a rule be set by a variable or in `factoryledger.toml` too: [all settings](settings.md), with their types, defaults and units. `factoryledger config show` says where each comes from.
"""


def commands(group=None, prefix=""):
    """Every command that can be called, with its full name, in the order of the help."""
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            if command.invoke_without_command:
                yield f"{prefix}{name}", command
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def section(name, command):
    """One command: usage, what it does, its arguments and options."""
    metavars = [p.metavar for p in command.params if p.param_type_name == "argument"]
    usage = " ".join(["factoryledger", name, "[OPTIONS]", *map(str, metavars)])
    lines = [f"## {name}", "", f"    {usage}", "", inspect.cleandoc(command.help or "")]
    rows = [row(parameter) for parameter in command.params]
    if rows:
        lines += ["", "| option | |", "|---|---|", *rows]
    return "\n".join([*lines, *manual(name)])


def manual(name):
    """What its help says beyond that, but for what every command shares."""
    found = manuals()[name]
    for heading, terms in (
        ("Exit code", found.exits),
        ("Environment", found.environment),
        ("Files", found.files),
    ):
        said = "; ".join(f"`{term}`: {words.rstrip('.')}" for term, words in terms)
        if said:
            yield from (
                "",
                f"{heading} {said}." if heading == "Exit code" else f"{heading}: {said}.",
            )
    yield from ("", "```sh")
    for line, words in found.examples:
        yield from (f"# {words}", line)
    yield from ("```", "", f"See also {', '.join(map(linked, found.see))}.")


def linked(to):
    """A command or a page of what to see."""
    if to.startswith("docs/"):
        return f"[{to.removeprefix('docs/').removesuffix('.md')}]({to.removeprefix('docs/')})"
    return f"[{to}](#{to.replace(' ', '-')})"


def row(parameter):
    """One argument or option as a row of a table."""
    if parameter.param_type_name == "argument":
        spelled = f"`{parameter.metavar}`"
    else:
        names = ", ".join(f"`{name}`" for name in parameter.opts)
        spelled = f"{names} `{parameter.metavar}`" if parameter.metavar else names
    said = parameter.help or ""
    if parameter.param_type_name == "option" and parameter.show_default is True:
        said += f" [default: {parameter.default}]" if parameter.default not in {None, False} else ""
    return f"| {spelled.replace('|', BAR)} | {said.replace('|', BAR)} |"


def render():
    """The whole page."""
    return "\n\n".join([TOP.strip(), *(section(*found) for found in commands())]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
