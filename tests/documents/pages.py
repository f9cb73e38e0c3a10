"""Markdown pages: headings and their anchors, links, blocks of code. No program of ours.

Anchors are GitHub's; the site's are made alike (mkdocs.yml), so one check holds for both.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(
    r"^(?P<in> *)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=in)```", re.MULTILINE | re.DOTALL
)
INDENTED = re.compile(r"(?:(?<=\n\n)|\A)(?:^    [^\n]*\n(?:\n(?=    ))?)+", re.MULTILINE)
INLINE = re.compile(r"(?<!`)`(?!`)([^`\n]+)`(?!`)")
LINK = re.compile(r"!?\[(?:[^\]\[`\n]|`[^`\n]*`)*\]\((?P<to>[^)\s]+)(?: \"[^\"]*\")?\)")
HEADING = re.compile(r"^#{1,6} +(?P<text>.+?) *#*$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of code: its page, its line there (from 1), its language or none, its text."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def all_pages(root=ROOT):
    """Every page of the checkout, by its path from the root; heads of rendered pages are none."""
    folders = ("docs", "tests", "examples", "broker-config", "docker")
    found = [*root.glob("*.md"), *(page for one in folders for page in (root / one).rglob("*.md"))]
    return {
        str(page.relative_to(root)): page.read_text("utf-8")
        for page in sorted(found)
        if not page.name.endswith("_head.md")
    }


def without_code(text):
    """The page with code blanked out, line for line."""
    for pattern in (FENCE, INDENTED):
        text = pattern.sub(lambda found: "\n" * found[0].count("\n"), text)
    return text


def links(text):
    """Where the page's links and pictures lead, each with its line."""
    plain = without_code(text)
    for found in LINK.finditer(plain):
        yield plain.count("\n", 0, found.start()) + 1, found["to"]


def anchors(text):
    """The anchors of a page's headings, as GitHub makes them."""
    seen = {}
    for found in HEADING.finditer(without_code(text)):
        slug = slug_of(found["text"])
        seen[slug] = seen.get(slug, -1) + 1
        yield f"{slug}-{seen[slug]}" if seen[slug] else slug


def slug_of(heading):
    """A heading's anchor: lower case, without punctuation, a hyphen for each space."""
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", shown.lower()).strip().replace(" ", "-")


def blocks(page, text):
    """The page's blocks of code: fenced ones with their language, indented ones with none."""
    for found in FENCE.finditer(text):
        lines = found["text"].splitlines(keepends=True)
        body = "".join(line.removeprefix(found["in"]) for line in lines)
        yield Block(page, text.count("\n", 0, found.start()) + 2, found["language"], body)
    plain = FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)
    for found in INDENTED.finditer(plain):
        lines = found[0].splitlines(keepends=True)
        body = "".join(line.removeprefix("    ") for line in lines)
        yield Block(page, plain.count("\n", 0, found.start()) + 1, "", body)


def spans(page, text):
    """Code inside of sentences, each as a block of one line."""
    plain = without_code(text)
    for found in INLINE.finditer(plain):
        yield Block(page, plain.count("\n", 0, found.start()) + 1, "", found[1])
