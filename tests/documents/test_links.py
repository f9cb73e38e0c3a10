"""Every link of every page leads somewhere, to the anchor; every page is in the site."""

import posixpath
import re
from pathlib import Path

import pages
import pytest
from ruamel.yaml import YAML

PAGES = pages.all_pages()
ANCHORS = {name: set(pages.anchors(text)) for name, text in PAGES.items()}
SITE = (pages.ROOT / "mkdocs.yml").read_text("utf-8")


def trouble(name, to, there=PAGES, anchors=ANCHORS, root=pages.ROOT):
    """What is wrong with a link of the page `name`, or None."""
    if re.match(r"https?:", to):
        return None
    path, _, anchor = to.partition("#")
    target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
    if re.match(r"[a-z]+:|/", to) or target.startswith(".."):
        return "leads out of the checkout"
    if not (root / target).exists():
        return "is not there"
    if anchor and target in there and anchor not in anchors[target]:
        return f"has no such heading; it has {', '.join(sorted(anchors[target]))}"
    return None


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name):
    wrong = [
        f"{name}:{line}: {to} {said}"
        for line, to in pages.links(PAGES[name])
        if (said := trouble(name, to))
    ]
    assert not wrong, "\n".join(wrong)


def test_links_that_lead_nowhere_are_noticed():
    """The check itself: a page that is not there, a heading that is not there, a way out."""
    assert trouble("docs/index.md", "operations.md#logs") is None
    assert trouble("docs/index.md", "operation.md")
    assert trouble("docs/index.md", "operations.md#lots")
    assert trouble("docs/index.md", "#what-it-promised")
    assert trouble("README.md", "../elsewhere.md")
    assert trouble("README.md", "file:///etc/passwd")


def test_what_a_link_is():
    text = (
        "a [b](c.md) ![`d`](e.png)\n\n    [f](g.md)\n\n```sh\n[h](i.md)\n```\n\n[`j` k](l.md#m)\n"
    )
    assert list(pages.links(text)) == [(1, "c.md"), (1, "e.png"), (9, "l.md#m")]


def test_anchors_are_githubs():
    text = "# One `two`\n## One two\n## What's new, really?\n```\n# none\n```\n## A & b - c\n"
    assert list(pages.anchors(text)) == ["one-two", "one-two-1", "whats-new-really", "a--b---c"]


def test_every_page_is_in_the_site_once():
    """Decisions are reached by their list; all others stand in the navigation."""
    named = re.findall(r"[\w/-]+\.md", SITE.partition("\nnav:")[2])
    assert len(named) == len(set(named))
    own = {path.name for path in (pages.ROOT / "docs").glob("*.md")}
    root = {name for name in PAGES if "/" not in name} - {"README.md"}
    assert set(named) == own | root | {"decisions/README.md"}


def test_every_decision_is_in_their_list():
    import decisions_page

    assert decisions_page.PAGE.read_text("utf-8") == decisions_page.render(), "run `make docs`"


def test_links_that_leave_the_site_become_names():
    """Into docs/ and to the root's pages they stay links; the source has no address there."""
    import site_hooks

    def said(text, here, at):
        known = {"operations.md", "decisions/README.md", "CHANGELOG.md", "decisions/site.md"}
        return site_hooks.LINK.sub(lambda it: site_hooks.placed(it, here, at, known), text)

    root = ("CHANGELOG.md", "CHANGELOG.md")
    docs = ("docs/decisions/site.md", "decisions/site.md")
    assert said("[a](docs/operations.md#logs)", *root) == "[a](operations.md#logs)"
    assert said("[a](docs/decisions/)", *root) == "[a](decisions/README.md)"
    assert said("[a](../../CHANGELOG.md)", *docs) == "[a](../CHANGELOG.md)"
    assert said("[a](../operations.md)", *docs) == "[a](../operations.md)"
    assert said("[a](../../anchor/note.py)", *docs) == "a (`anchor/note.py`)"
    assert said("[`anchor/note.py`](../../anchor/note.py)", *docs) == "`anchor/note.py`"
    assert said("[a](https://c2sp.org) [b](#c)", *docs) == "[a](https://c2sp.org) [b](#c)"


def test_the_site_asks_no_other_host_for_anything():
    """No font, no script, no style of another host's is configured."""
    reader = YAML(typ="safe")
    plain = re.sub(r"!!python\S+", "", SITE)
    settings = reader.load(plain)
    assert settings["theme"]["font"] is False
    assert "extra_javascript" not in settings
    assert "extra_css" not in settings
    assert "analytics" not in settings["extra"]
    built = pages.ROOT / "build" / "site"
    asked = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=\"?https?://")
    for path in built.rglob("*.html") if built.is_dir() else ():
        assert not asked.search(Path(path).read_text("utf-8")), path
