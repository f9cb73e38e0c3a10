"""The terminal's pictures in the documents."""

import re
from pathlib import Path

from terminal_pictures import PICTURES, plain_svg

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"


def test_the_pictures_are_there_and_load_nothing():
    for name in PICTURES:
        svg = (FOLDER / f"{name}.svg").read_text()
        assert plain_svg(svg) == svg, "`make screenshots` makes them so"
        assert not re.search(r"url\((?!#)|<image|<script|href=", svg)
        assert "verified" in svg
