"""The report in a browser and on paper: its own words alone, and no script, whatever is in it."""

import json
import logging
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from package_world import packed

from dossier.manifest import MANIFEST, REPORT, Manifest
from dossier.paper import printed

ROOT = Path(__file__).parents[2]
BROWSER = ROOT / ".venv-browser" / "bin" / "python"
DRIVE = Path(__file__).parent / "drive_report.py"


def test_it_loads_nothing_and_runs_nothing(made):
    html = (made.folder / REPORT).read_text()
    assert "<script" not in html
    assert not re.search(r"\b(src|href)=\"(?!#)", html)
    assert "url(" not in html
    assert "default-src 'none'" in html
    anchors = set(re.findall(r'href="#([^"]+)"', html))
    assert anchors == set(re.findall(r' id="([^"]+)"', html))


@pytest.mark.skipif(not (BROWSER.exists() and shutil.which("chromium")), reason="needs Chromium")
def test_a_browser_shows_it_without_a_word_on_its_console(made, tmp_path):
    said = subprocess.run(
        [BROWSER, DRIVE, made.folder / REPORT, shutil.which("chromium"), tmp_path],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    found = json.loads(said.stdout)
    assert (found["console"], found["asked"]) == ([], [])
    assert "<img src=x onerror=alert(1)>" in found["text"]
    assert set(found["tags"]).isdisjoint({"img", "script", "iframe", "object", "embed", "link"})
    assert found["wider"] == {"light": False, "dark": False, "phone": False}
    assert found["colours"]["light"] != found["colours"]["dark"]


def test_the_same_report_is_the_same_pdf_and_bears_the_package_number(made, tmp_path):
    pytest.importorskip("weasyprint")
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    made = packed(tmp_path / "one", made.world, "mill-3")
    html = (made.folder / REPORT).read_bytes()
    number = Manifest.from_bytes((made.folder / MANIFEST).read_bytes()).number
    one, without = printed(html, 1_764_000_000_000_000)
    assert (without, one[:5]) == (None, b"%PDF-")
    assert printed(html, 1_764_000_000_000_000)[0] == one
    if shutil.which("pdftotext"):
        text = subprocess.run(
            ["pdftotext", "-layout", "-", "-"], input=one, capture_output=True, check=True
        ).stdout.decode()
        pages = text.removesuffix("\f").split("\f")
        first = f"Package {number[:8]} {number[8:16]}"
        for at, page in enumerate(pages, 1):
            assert first in page
            assert f"{at} of {len(pages)}" in page
