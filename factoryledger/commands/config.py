"""`factoryledger config`: the settings as they are here, and where each comes from."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from factoryledger import options
from factoryledger.manual import Commands

if TYPE_CHECKING:
    from factoryledger.settings_shown import Shown

app = Commands(
    help="The settings: what each is, and where it comes from.",
    no_args_is_help=True,
)


@app.command("show")
def show(
    *,
    changed: Annotated[
        bool, typer.Option("--changed", help="Only what is set, by a variable or the file.")
    ] = False,
    json_: options.Json = False,
) -> None:
    """Show every setting: its value, its unit, and the variable or line that it comes from.

    A flag of a command comes before all of them. Passwords in a URL are not shown. Exit code 2
    if a setting is wrong.
    """
    from factoryledger.settings_shown import shown_settings  # noqa: PLC0415 - on demand

    shown = [one for one in shown_settings() if not changed or one.origin.kind != "default"]
    if json_:
        typer.echo(json.dumps([one.to_dict() for one in shown]))
        return
    typer.echo("\n".join(_lines(shown)) if shown else "nothing is set: all is as by default")


def _lines(shown: "list[Shown]") -> list[str]:
    width = max(len(one.name) for one in shown)
    values = max(len(one.text) for one in shown)
    lines, group = list[str](), None
    for one in shown:
        if one.meaning.group != group:
            group = one.meaning.group
            lines += ["", group] if lines else [group]
        lines.append(f"  {one.name:<{width}}  {one.text:<{values}}  {one.origin.said}")
    return lines
