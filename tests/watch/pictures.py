"""The README's pictures of what people look at: `make screenshots`.

A small factory runs on loopback for as long as its charts need to have something to show.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from factory_world import factory, web

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "pictures"
BROWSER = ROOT / ".venv-browser" / "bin" / "python"
LARGEST = 150_000
MACHINES = 20
RUNS = 100.0  # s: a machine's round of work, and more


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        factory(Path(folder) / "works", MACHINES) as place,
        web(place) as address,
    ):
        time.sleep(RUNS)
        page(address)
    large = [one.name for one in FOLDER.iterdir() if one.stat().st_size > LARGEST]
    if large:
        sys.exit(f"larger than {LARGEST} bytes: {', '.join(large)}")


def page(address: str) -> None:
    """The page: the floor, and a machine with its charts."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("no Chromium: `make browser` gets it")
    script = Path(__file__).with_name("picture_page.py")
    subprocess.run([BROWSER, "-I", script, chromium, address, "mill-01", FOLDER], check=True)


if __name__ == "__main__":
    main()
