"""docs/decisions/README.md, the list of decisions, from their own titles: `make docs`."""

import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "decisions"
PAGE = FOLDER / "README.md"
TOP = """# Decisions

Each choice that has costs, on a page: the question, the choice, what else was looked at, what it costs. This list is made of their titles (`make docs`).

"""  # noqa: E501 - prose


def decisions():
    """Each page with its title, by name."""
    for path in sorted(FOLDER.glob("*.md")):
        if path != PAGE:
            yield path.name, path.read_text("utf-8").splitlines()[0].removeprefix("# ")


def render():
    """The whole page."""
    return TOP + "".join(f"- [{title}]({name})\n" for name, title in decisions())


if __name__ == "__main__":
    sys.stdout.write(render())
