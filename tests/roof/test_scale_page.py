"""The page on scale reckons with the one run whose table the page on performance shows."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]
rendered = runpy.run_path(str(ROOT / "benchmarks/scale_page.py"))["rendered"]


def test_its_figures_follow_from_the_table():
    page = (ROOT / "docs/scale.md").read_text("utf-8")
    table = (ROOT / "docs/performance.md").read_text("utf-8")
    assert rendered(table, page) == page, "run `make docs`"


def test_another_run_gives_other_figures():
    page = (ROOT / "docs/scale.md").read_text("utf-8")
    table = (ROOT / "docs/performance.md").read_text("utf-8")
    other = table.replace(" + broker ", " + broker 1")
    assert other != table
    assert rendered(other, page) != page
