"""man/: a manual page for each command, in roff, of the words that its help has.

`make docs` writes them; the wheel brings them into share/man, where man finds them.
"""

import inspect
import sys
from pathlib import Path

from commands_page import commands

from factoryledger.manual import Manual, grouped, manuals

FOLDER = Path(__file__).parents[2] / "man"


def roff(text):
    """Text that roff shows as it is."""
    plain = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    return "\n".join(f"\\&{line}" if line[:1] in {".", "'"} else line for line in plain.split("\n"))


def terms(rows):
    """A list of terms and words."""
    for term, words in rows:
        yield from (".TP", f"\\fB{roff(term)}\\fR", roff(words or " "))


def heading(name, brief):
    """The first lines of a page."""
    title = "-".join(["factoryledger", *name.split()])
    yield f'.TH {title.upper()} 1 "" "factoryledger" "factoryledger"'
    yield from (".ad l", ".nh", ".SH NAME", f"{roff(title)} \\- {roff(brief)}")


def ends(manual, examples=True):
    """Exit codes, environment, files, examples, see also."""
    names = {"Exit codes": "EXIT STATUS", "Environment": "ENVIRONMENT", "Files": "FILES"}
    for said, rows in manual.sections():
        yield from (f".SH {names[said]}", *terms(rows))
    if examples:
        yield ".SH EXAMPLES"
        for line, words in manual.examples:
            yield from (".PP", f"{roff(words)}:", ".PP", ".nf", roff(f"    {line}"), ".fi")
    yield from (".SH SEE ALSO", ",\n".join(map(seen, manual.see)))


def seen(to):
    """A command's page, or a page of the documents."""
    if to.startswith("docs/"):
        return roff(to)
    return f"\\fB{roff('-'.join(['factoryledger', *to.split()]))}\\fR(1)"


def page(name, command):
    """One command's."""
    paragraphs = inspect.cleandoc(command.help).split("\n\n")
    arguments = [str(one.metavar) for one in command.params if one.param_type_name == "argument"]
    lines = [*heading(name, paragraphs[0].replace("\n", " ").rstrip("."))]
    lines += [
        ".SH SYNOPSIS",
        f"\\fBfactoryledger {roff(name)}\\fR [OPTIONS] {roff(' '.join(arguments))}",
    ]
    lines += [".SH DESCRIPTION"]
    for paragraph in paragraphs:
        lines += [".PP", roff(paragraph)]
    lines += [".SH OPTIONS"]
    context = command.context_class(command, info_name=name)
    for group, rows in grouped(command, context):
        lines += [*([] if group == "Options" else [f".SS {group}"]), *terms(rows)]
    return "\n".join([*lines, *ends(manuals()[name])]).rstrip() + "\n"


def overview():
    """The page of all of them."""
    lines = [*heading("", "a factory's telemetry, kept so that nobody can quietly change it")]
    lines += [".SH SYNOPSIS", "\\fBfactoryledger\\fR COMMAND [OPTIONS] ...", ".SH COMMANDS"]
    for name, command in commands():
        brief = inspect.cleandoc(command.help).split("\n\n")[0].replace("\n", " ")
        lines += [".TP", seen(name), roff(brief)]
    shared = Manual(
        exits=[("1", "Checked, and found false."), ("3", "Something that it needs is not there."),
               ("70", "A fault of this program."), ("130", "Ended by a second Ctrl-C.")],
        see=["docs/tutorial.md", "docs/operations.md", "docs/errors.md"],
    )  # fmt: skip
    return "\n".join([*lines, *ends(shared, examples=False)]).rstrip() + "\n"


def pages():
    """Every page by its file's name."""
    yield "factoryledger.1", overview()
    for name, command in commands():
        yield f"factoryledger-{name.replace(' ', '-')}.1", page(name, command)


def main():
    """Write them, and nothing else stays."""
    FOLDER.mkdir(exist_ok=True)
    written = dict(pages())
    for old in FOLDER.glob("*.1"):
        if old.name not in written:
            old.unlink()
    for name, text in written.items():
        (FOLDER / name).write_text(text, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
