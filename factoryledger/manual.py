"""What a command's help says beyond its options: exit codes, environment, files, examples.

The words are in manual.toml, by a command's full name; the help, the page of commands and the
manual pages are made of them. Read only when help is asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.models import CommandFunctionType

Rows = list[tuple[str, str]]

PLACES: Final = {"--data", "--database", "--log", "--policy", "--ledgers", "--broker", "--prefix"}
GENERAL: Final = {"--json", "--metrics", "--help"}
EXITS: Final[Rows] = [
    ("0", "Done, and what was checked holds."),
    ("2", "Wrong usage, or a file that cannot be read."),
]
ENVIRONMENT: Final[Rows] = [
    ("FACTORYLEDGER_<NAME>", "Each setting, by its name; a flag comes first (config show)."),
    ("FACTORYLEDGER_TRACEBACK", "1: an error comes with its traceback."),
]
FILES: Final[Rows] = [("factoryledger.toml", "Settings, in the working folder.")]


@dataclass(frozen=True, slots=True)
class Manual:
    """Of one command: each list's rows are a term and its words; `see` are commands and pages."""

    exits: Rows = field(default_factory=list)
    environment: Rows = field(default_factory=list)
    files: Rows = field(default_factory=list)
    examples: Rows = field(default_factory=list)
    see: list[str] = field(default_factory=list)

    def sections(self) -> list[tuple[str, Rows]]:
        """The lists with their headings, in the order of a manual page; what all share is in."""
        return [
            ("Exit codes", sorted(EXITS + self.exits)),
            ("Environment", self.environment + ENVIRONMENT),
            ("Files", self.files + FILES),
        ]


@lru_cache(maxsize=1)
def manuals() -> dict[str, Manual]:
    """All of them, by a command's full name."""
    import tomllib  # noqa: PLC0415 - for who asks for help alone

    text = Path(__file__).with_name("manual.toml").read_text("utf-8")
    return {name: _manual(table) for name, table in tomllib.loads(text).items()}


def _manual(table: dict[str, Any]) -> Manual:
    """One table: an inline table's keys are terms, but examples, which are pairs in order."""
    rows = {name: list(table.get(name, {}).items()) for name in ("exits", "environment", "files")}
    examples = [(line, words) for line, words in table.get("examples", [])]
    return Manual(examples=examples, see=table.get("see", []), **rows)


def grouped(command: TyperCommand | TyperGroup, context: Any) -> list[tuple[str, Rows]]:
    """A command's arguments and options as help shows them, by what they are about."""
    found: dict[str, Rows] = {
        heading: [] for heading in ("Arguments", "Options", "Where things are", "What it says")
    }
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            found[_heading(parameter)].append(record)
    return [(heading, rows) for heading, rows in found.items() if rows]


def _heading(parameter: Any) -> str:
    names = set(parameter.opts)
    if parameter.param_type_name == "argument":
        return "Arguments"
    if names & PLACES:
        return "Where things are"
    return "What it says" if names & GENERAL else "Options"


def write(formatter: Any, manual: Manual) -> None:
    """Write what comes after the options into a help."""
    for heading, rows in manual.sections():
        with formatter.section(heading):
            formatter.write_dl(rows)
    with formatter.section("Examples"):
        for line, words in manual.examples:
            shown = line.replace("\n", "\n  ")
            formatter.write(f"  # {words}\n  {shown}\n")
    with formatter.section("See also"):
        formatter.write_text(", ".join(manual.see))


class Command(TyperCommand):
    """A command whose help reads like its manual page."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options, by groups."""
        for heading, rows in grouped(self, ctx):
            with formatter.section(heading):
                formatter.write_dl(rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write exit codes and the rest, where there are words for this command."""
        manual = manuals().get(ctx.command_path.partition(" ")[2])
        if manual is not None:
            write(formatter, manual)


class Group(TyperGroup):
    """Commands under one name, which may itself be one."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write options by groups, and the commands."""
        for heading, rows in grouped(self, ctx):
            with formatter.section(heading):
                formatter.write_dl(rows)
        self.format_commands(ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the same as a command does."""
        Command.format_epilog(self, ctx, formatter)  # type: ignore[arg-type]  # uses no more of it
        super().format_epilog(ctx, formatter)


class Commands(typer.Typer):
    """A Typer whose commands and groups have such a help."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"cls": Group, "rich_markup_mode": None, **options})

    def command(
        self, name: str | None = None, **options: Any
    ) -> Callable[[CommandFunctionType], CommandFunctionType]:
        """As Typer's, with our kind of command."""
        return super().command(name, **{"cls": Command, **options})
