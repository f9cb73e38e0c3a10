"""A browser that looks at the page, for benchmarks/watching.py; run by `.venv-browser`'s Python.

On standard input JSON with `url`, `machines`, `device` (or null), `seconds`, `chromium`; on
standard output a line of JSON after each step: `paint`, `floor begins`, `floor`,
`machine begins`, `machine`, `end`. A reading's value is when it was published, in milliseconds
modulo 10,000, so a text that changes in the document says how old it is; both clocks are this
machine's.
"""

import json
import sys
import time
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

PAINTS = 5

# What the document shows, as it is put there; one that a later one replaced was never seen.
WATCH = """(selector) => {
    const found = [];
    const age = (text) => (((Date.now() - Number(text)) % 10000) + 10000) % 10000;
    new MutationObserver((changes) => {
        const nodes = new Set(changes.map(({ target }) => target.parentElement?.closest(selector)
            ?? (target.matches?.(selector) ? target : null)));
        for (const node of nodes) if (node) found.push(age(node.textContent));
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
    window.found = found;
}"""
PAINT = """() => Object.fromEntries(
    performance.getEntriesByType("paint").map(({ name, startTime }) => [name, startTime]))"""


def say(step: str, **found: Any) -> None:
    """Say what was found."""
    print(json.dumps({"step": step, **found}), flush=True)


def paint(browser: Browser, given: dict[str, Any]) -> None:
    """First paints of a browser that has nothing kept, and when all machines are there."""
    found = []
    for _ in range(PAINTS):
        context = browser.new_context()
        page = context.new_page()
        page.goto(given["url"])
        page.wait_for_function("(n) => document.querySelectorAll('.tile').length >= n",
            arg=given["machines"], timeout=30_000)  # fmt: skip
        all_there = page.evaluate("performance.now()")
        found.append({**page.evaluate(PAINT), "all machines": all_there})
        context.close()
    say("paint", paints=found)


class Spent:
    """Milliseconds of CPU of all the browser's processes, and of the page's main thread."""

    def __init__(self, browser: Browser, page: Page) -> None:
        self._all: CDPSession = browser.new_browser_cdp_session()
        self._page: CDPSession = page.context.new_cdp_session(page)
        self._page.send("Performance.enable")
        self._before, self._at = self._read(), time.monotonic()

    def shares(self) -> dict[str, float]:
        """Of a core since the beginning; the heap in bytes, after a collection."""
        now, seconds = self._read(), time.monotonic() - self._at
        found = {name: (now[name] - self._before[name]) / seconds for name in now}
        self._page.send("HeapProfiler.collectGarbage")
        return {**found, "heap": self._metrics()["JSHeapUsedSize"]}

    def _metrics(self) -> dict[str, float]:
        metrics = self._page.send("Performance.getMetrics")["metrics"]
        return {one["name"]: one["value"] for one in metrics}

    def _read(self) -> dict[str, float]:
        processes = self._all.send("SystemInfo.getProcessInfo")["processInfo"]
        tasks = self._metrics()["TaskDuration"]
        return {"browser": sum(one["cpuTime"] for one in processes), "thread": tasks}


def look(browser: Browser, page: Page, step: str, selector: str, seconds: float) -> None:
    """Look for so long; say how old what was shown was."""
    page.evaluate(WATCH, selector)
    spent = Spent(browser, page)
    say(f"{step} begins")
    page.wait_for_timeout(seconds * 1000)
    say(step, shares=spent.shares(), ages=page.evaluate("window.found"))


def main() -> None:
    """Look at the floor, then at one machine."""
    given = json.load(sys.stdin)
    noted: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=given["chromium"],
            args=["--no-sandbox", "--disable-background-networking", "--disable-gpu"],
        )
        paint(browser, given)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.on("console", lambda message: noted.append(message.text))
        page.goto(given["url"])
        page.wait_for_selector(".tile")
        page.wait_for_timeout(3000)
        look(browser, page, "floor", ".tile .value", given["seconds"])
        if given["device"]:
            page.goto(f"{given['url']}#/machine/{given['device']}")
            page.wait_for_selector(".chart")
            page.wait_for_timeout(3000)
            number = ".chart:first-child .now .number b"
            look(browser, page, "machine", number, given["seconds"])
        say("end", noted=noted, browser=browser.version)
        browser.close()


if __name__ == "__main__":
    main()
