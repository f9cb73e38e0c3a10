"""docs/settings.md, rendered from the settings themselves: `make docs` writes it."""

import json
import sys
from itertools import groupby
from pathlib import Path

from commands_page import commands

from factoryledger.settings import Settings
from factoryledger.settings_meaning import MEANINGS
from factoryledger.settings_shown import defaults

# Prose of the page keeps its lines as Markdown wants them.
# ruff: noqa: E501
PAGE = Path(__file__).parents[2] / "docs" / "settings.md"

TOP = """# Settings

This page is rendered from the program (`make docs`); a test compares the two.

A setting comes from the flag of its name (`--flush-count` for `flush_count`), where the command has one; else from the variable `FACTORYLEDGER_<NAME>`; else from `factoryledger.toml` in the working folder; else from its default. What is wrong is an error (exit code 2) that names the flag, the variable or the line; so is a setting that does not exist, in the file as among the variables.

```toml
# factoryledger.toml
broker = "mqtts://broker.plant"
broker_identity = "collector"
flush_seconds = 0.5
database = ["postgresql://ledger@db.plant/factoryledger"]

[retention]
unsigned = 30
```

`factoryledger config show` prints every setting as it is, and where it comes from; `--changed` only those that are set. In a variable, a table or a list is written as JSON: `FACTORYLEDGER_RETENTION='{"unsigned": 30}'`.

No password is a setting. A password stands in a file, and the setting names the file: every user of a machine can read the command lines of others, and many can read their environment. The URL of a database may hold one in the file or in its variable, never on a command line; `config show` masks it.

Units are UCUM's: `s` second, `d` day, `By` byte. Paths are as seen from the working folder."""


def kind(schema):
    """What a value may be, in words."""
    if "anyOf" in schema:
        return " or ".join(kind(one) for one in schema["anyOf"] if one.get("type") != "null")
    if "enum" in schema:
        return "one of " + ", ".join(f"`{json.dumps(one)}`" for one in schema["enum"])
    if schema.get("format") == "path":
        return "path"
    words = {"array": "list of text", "string": "text", "boolean": "true or false"}
    if schema["type"] == "object":
        names = ", ".join(f"`{one}`" for one in schema["propertyNames"]["enum"])
        return f"table of {names}: {kind(schema['additionalProperties'])}"
    word = words.get(schema["type"], schema["type"])
    bounds = [
        f"{said} {schema[bound]:.12g}"
        for bound, said in (
            ("minimum", "from"),
            ("exclusiveMinimum", "over"),
            ("maximum", "to"),
        )
        if bound in schema
    ]
    if "pattern" in schema:
        bounds.append(f"like `{schema['pattern']}`".replace("|", "\\|"))
    return " ".join([word, *bounds])


# Flags that are called like a setting and are none.
OTHERS = {
    ("name", "witness"),
    ("name", "web"),
    ("name", "anchor deploy"),
    ("every", "anchor monitor"),
    ("every", "anchor deploy"),
    ("policy", "tlog verify"),
    ("policy", "tlog audit"),
    ("policy", "tlog mirror"),
    ("every", "tlog mirror"),
}
MANY = 12


def flags():
    """By setting: the commands that have a flag for it."""
    found = {}
    for name, command in commands():
        for parameter in command.params:
            for option in parameter.opts:
                setting = option.removeprefix("--").replace("-", "_")
                if (
                    option.startswith("--")
                    and setting in MEANINGS
                    and (setting, name) not in OTHERS
                ):
                    found.setdefault(setting, []).append(f"`{name}`")
    return {
        setting: ", ".join(named) if len(named) <= MANY else "most commands"
        for setting, named in found.items()
    }


def render():
    """The whole page."""
    parts, schema = [TOP], Settings.model_json_schema()["properties"]
    by_default, flagged = defaults(), flags()
    for group, named in groupby(MEANINGS.items(), key=lambda one: one[1].group):
        rows = ["| setting | | type | unit | default | flag of |", "|---|---|---|---|---|---|"]
        for name, meaning in named:
            unit = f"`{meaning.unit}`" if meaning.unit else ""
            value = by_default[name]
            shown = "unset" if value is None else f"`{json.dumps(value)}`"
            rows.append(
                f"| `{name}` | {meaning.says} | {kind(schema[name])} | {unit} | {shown} | {flagged.get(name, '')} |"
            )
        parts += [f"## {group}", "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
