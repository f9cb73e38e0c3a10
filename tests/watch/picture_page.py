"""Takes the README's pictures of the page; run by `.venv-browser`'s Python.

Arguments: Chromium, the page's address, a machine, a folder for the pictures.
"""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parent))

from drive_page import launched

CHOSEN = 0.7  # of a chart's width


def main() -> None:
    chromium, address, machine, folder = sys.argv[1:]
    with sync_playwright() as playwright:
        browser = launched(playwright, chromium)
        page = browser.new_page(viewport={"width": 1300, "height": 780}, color_scheme="light")
        page.goto(f"{address}/#/floor")
        page.wait_for_selector(".trend polyline[points*=' ']")
        page.wait_for_timeout(1000)
        page.screenshot(path=Path(folder) / "page-floor.png")
        page.goto(f"{address}/#/machine/{machine}")
        page.wait_for_selector(".chart[data-heard]")
        plot = page.locator(".plot").first
        box = plot.bounding_box()
        assert box is not None
        plot.hover(position={"x": box["width"] * CHOSEN, "y": box["height"] / 2})
        page.wait_for_timeout(200)
        page.screenshot(path=Path(folder) / "page-machine.png")
        browser.close()


if __name__ == "__main__":
    main()
