"""Opens a report in the system's Chromium; run by `.venv-browser`'s Python.

Arguments: the file, Chromium, a folder for pictures. On standard output, as JSON, what it shows
and what the browser noted or asked for.
"""

import json
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

WIDER = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
COLOUR = "() => getComputedStyle(document.body).backgroundColor"
TAGS = '() => [...new Set([...document.querySelectorAll("*")].map((one) => one.localName))].sort()'
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1000, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1000, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 380, "height": 800}},
}


def main(report: Path, chromium: str, pictures: Path) -> dict[str, Any]:
    found: dict[str, Any] = {"console": [], "asked": [], "wider": {}, "colours": {}}
    address = report.resolve().as_uri()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-background-networking", "--disable-gpu"],
        )
        for name, look in LOOKS.items():
            page = browser.new_page(**look)
            page.on("console", lambda message: found["console"].append(message.text))
            page.on("pageerror", lambda error: found["console"].append(str(error)))
            page.on(
                "request",
                lambda asked: (
                    asked.url.split("#")[0] != address and found["asked"].append(asked.url)
                ),
            )
            page.goto(address)
            found["wider"][name] = page.evaluate(WIDER)
            found["colours"][name] = page.evaluate(COLOUR)
            page.screenshot(path=pictures / f"{name}.png", full_page=True)
        found["text"] = page.inner_text("body")
        found["tags"] = page.evaluate(TAGS)
        browser.close()
    return found


if __name__ == "__main__":
    json.dump(main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])), sys.stdout)
