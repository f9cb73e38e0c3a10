"""Whether a command line, as a page or a help shows it, is one of ours: nothing is run."""

import re
import shlex

import typer

from factoryledger.cli import app

# What may follow a command on its line.
ENDS = {"|", "||", "&&", ";", ">", ">>", "2>", "<", "&"}
GROUP = typer.main.get_command(app)


def words(said):
    """A command line's words up to whatever else stands on its line; brackets are only shown."""
    plain = re.sub(r"(?<!\S)\[([^\]]*)\]", r"\1", said).replace("…", "")
    lexed = []
    for word in shlex.split(plain, comments=True):
        if word in ENDS:
            break
        if word != "OPTIONS":
            lexed.append(word)
    return lexed


def complaint(said):
    """What the program says against such a command line, or None."""
    command, given = GROUP, words(said)
    name = []
    while hasattr(command, "commands") and given and not given[0].startswith("-"):
        if given[0] not in command.commands:
            return f"there is no command {' '.join([*name, given[0]])}"
        name.append(given.pop(0))
        command = command.commands[name[-1]]
    context = command.context_class(command, info_name=" ".join(name))
    try:
        _, left, _ = command.make_parser(context).parse_args(args=list(given))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is shown
        return f"{' '.join(name)}: {error}"
    return f"{' '.join(name)} takes no {left[0]!r}" if left else None
