"""Drives the factory's page in the system's Chromium; run by `.venv-browser`'s Python.

On standard input JSON with `address`, `locked` (the address of a server that wants the password
`password`), `chromium`, `machine`, `hostile` (a machine), `policy` (a file), and `downloads` (a
folder); on standard output what the page did. A line on standard output asks to end the broker;
the answer is a line on standard input. Whatever the browser asks of anybody is written down.
"""

import base64
import json
import re
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent))

from drive_page import launched

VIEWS = ("floor", "alarms", "pipeline", "log", "history?device={}", "messages", "devices")
TEXT = "document.body.innerText"
TAGS = "[...new Set([...document.querySelectorAll('*')].map((one) => one.localName))].sort()"
# What a reader takes from a chart: its newest value, and when that was heard.
HEARD = "document.querySelector('.chart').dataset.heard"
FOCUS = "document.activeElement.getAttribute('href') ?? document.activeElement.id"
BRIEF_MS = 20_000


class Watched:
    """One context of the browser; what it asks and what it complains of is kept."""

    def __init__(self, browser: Browser, address: str, **options: Any) -> None:
        self.noted: list[str] = []
        self.asked: set[str] = set()
        self.address = address
        self.context: BrowserContext = browser.new_context(**options)
        self.context.set_default_timeout(BRIEF_MS)
        self.context.on("request", lambda request: self.asked.add(request.url))
        self.page = self.open()

    def open(self, path: str = "/") -> Page:
        page = self.context.new_page()
        page.on("console", lambda message: self.noted.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.noted.append(str(error)))
        page.on("dialog", lambda dialog: self.noted.append(f"dialog: {dialog.message}"))
        page.goto(self.address + path)
        return page

    def see(self, view: str, selector: str) -> None:
        self.page.goto(f"{self.address}/#/{view}")
        self.page.wait_for_selector(selector)


def live(it: Watched, machine: str) -> list[str]:
    """When the newest reading on a chart was heard, three times, each another."""
    it.see(f"machine/{machine}", ".chart[data-heard]")
    found = [it.page.evaluate(HEARD)]
    for _ in range(2):
        it.page.wait_for_selector(f".chart:first-child[data-heard]:not([data-heard='{found[-1]}'])")
        found.append(it.page.evaluate(HEARD))
    return found


def proofs(it: Watched, folder: Path) -> dict[str, str]:
    """Proofs of readings on a chart, by keys and by the pointer; where they were saved."""
    found = {}
    plot = it.page.locator(".plot").first
    plot.focus()
    with it.page.expect_download() as download:
        it.page.keyboard.press("Home")
        it.page.keyboard.press("ArrowRight")
        found["chosen"] = plot.get_attribute("aria-valuetext") or ""
        it.page.keyboard.press("Enter")
    found["keys"] = saved(download.value, folder, "keys.proof")
    box = plot.bounding_box() or {"width": 0}
    with it.page.expect_download() as download:
        plot.click(position={"x": box["width"] * 0.5, "y": 60})
    found["pointer"] = saved(download.value, folder, "pointer.proof")
    it.page.wait_for_selector(".notice[data-kind='good'] a[href='/verifier']")
    return found


def saved(download: Any, folder: Path, name: str) -> str:
    download.save_as(folder / name)
    return str(download.suggested_filename)


def changed(proof: bytes) -> bytes:
    """The proof, of a reading that is another by one digit."""
    file = json.loads(proof)
    payload = base64.b64decode(file["payload"])
    other = re.sub(
        rb"(\.)(\d)([,}])", lambda m: m[1] + b"%d" % (9 - int(m[2])) + m[3], payload, count=1
    )
    file["payload"] = base64.b64encode(other).decode()
    return json.dumps(file, separators=(",", ":")).encode()


def not_anchored(it: Watched) -> str:
    """What is said of a message that no checkpoint covers yet."""
    error = {"what": "message 9 is not anchored yet", "try": "again in about 3 s"}
    # Chromium itself writes an answer of 404 into its console.
    before = len(it.noted)
    it.page.route(
        "**/api/v1/proof*",
        lambda route: route.fulfill(status=404, json={"error": error}),
    )
    it.page.locator(".plot").first.focus()
    it.page.keyboard.press("End")
    it.page.keyboard.press("Enter")
    text = it.page.locator(".notice[data-kind='bad']").inner_text()
    it.page.unroute("**/api/v1/proof*")
    it.noted[before:] = [one for one in it.noted[before:] if "404" not in one]
    return text


def verified(it: Watched, files: list[Path], policy: str) -> list[str]:
    """The verifier page's verdicts on some proofs, from the same address."""
    page = it.open("/verifier")
    page.set_input_files("#policy-file", policy)
    verdicts = []
    for run, file in enumerate(files, 1):
        page.set_input_files("#proof-file", file)
        page.wait_for_selector(f"#result[data-run='{run}']")
        verdicts.append(page.locator("#result").get_attribute("data-verdict") or "")
    page.close()
    return verdicts


def keyboard(it: Watched) -> dict[str, Any]:
    """From the address to a machine and back, by keys alone."""
    it.page.goto("about:blank")
    it.see("floor", ".tile")
    press = it.page.keyboard.press
    press("Tab")
    found: dict[str, Any] = {"first": it.page.evaluate(FOCUS)}
    press("Enter")
    found["skipped"] = it.page.evaluate(FOCUS)
    for _ in range(20):
        press("Tab")
        if it.page.evaluate("document.activeElement.matches('.tile')"):
            break
    found["stops"] = it.page.locator(".tile[tabindex='0']").count()
    press("Home")
    start = it.page.evaluate(FOCUS)
    press("End")
    found["moved"] = it.page.evaluate(FOCUS) != start
    here = it.page.evaluate(FOCUS)
    press("Enter")
    it.page.wait_for_selector(".chart")
    press("Escape")
    it.page.wait_for_selector(".tile")
    found["returned"] = it.page.evaluate(FOCUS) == here
    return found


def views(it: Watched, machine: str) -> dict[str, str]:
    """What each view says, in words; a machine's first, which waits for what was corrected."""
    it.see(f"machine/{machine}", "[data-correction]")
    found = {"machine": it.page.evaluate(TEXT)}
    for view in VIEWS:
        it.see(view.format(machine), ".tile, .part, .table, .verdict, .empty:not([hidden])")
        if view.startswith("pipeline"):
            it.page.wait_for_selector(".sum b")
        found[view.partition("?")[0]] = it.page.evaluate(TEXT)
    return found


def hostile(it: Watched, machine: str, unsigned: str) -> dict[str, Any]:
    """What is shown of a machine that says bad things, and of topics like them."""
    it.see(f"machine/{machine}", ".chart")
    it.page.wait_for_timeout(300)
    text = it.page.evaluate(
        "[...document.querySelectorAll('main *')].map(e => e.textContent).join('\\n')"
    )
    tags = set(it.page.evaluate(TAGS))
    it.see(unsigned, ".table")
    text += it.page.evaluate("document.body.textContent")
    it.see("alarms", ".part")
    text += it.page.evaluate("document.body.textContent")
    tags |= set(it.page.evaluate(TAGS))
    return {"text": text, "tags": sorted(tags), "ran": it.page.evaluate("window.ran ?? null")}


def log_in(browser: Browser, address: str, password: str) -> dict[str, Any]:
    """A wrong password, then the right one, then out again."""
    it = Watched(browser, address)
    it.page.wait_for_selector(".login")
    found: dict[str, Any] = {"before": it.page.locator(".tile").count()}
    it.page.keyboard.insert_text("wrong")
    it.page.keyboard.press("Enter")
    it.page.wait_for_selector(".problem:not(:empty)")
    found["wrong"] = it.page.locator(".problem").inner_text()
    it.page.fill("[name=password]", password)
    it.page.keyboard.press("Enter")
    it.page.wait_for_selector(".tile")
    it.page.click("#logout")
    it.page.wait_for_selector(".login")
    found["after"] = it.page.locator(".tile").count()
    # Chromium itself writes an answer of 401 into its console.
    found["noted"] = [one for one in it.noted if "401" not in one]
    found["asked"] = sorted(it.asked)
    it.context.close()
    return found


def looks(browser: Browser, address: str, machine: str) -> list[dict[str, Any]]:
    """Whether anything sticks out on a phone, and the colours in the dark."""
    it = Watched(browser, address, viewport={"width": 360, "height": 740}, color_scheme="dark")
    found = []
    for view in (*VIEWS, "machine/{}"):
        it.see(view.format(machine), ".tile, .part, .table, .verdict, .chart, .empty:not([hidden])")
        wide = it.page.evaluate("document.documentElement.scrollWidth")
        ground = it.page.evaluate("getComputedStyle(document.body).backgroundColor")
        found.append({"view": view, "wide": wide, "ground": ground, "noted": it.noted})
    it.context.close()
    return found


def away(it: Watched) -> str:
    """What the page says once the broker is gone."""
    it.see("floor", ".tile")
    print("end the broker", flush=True)  # noqa: T201 - the word to the test
    sys.stdin.readline()
    it.page.wait_for_selector(".banner")
    return it.page.locator("#banners").inner_text()


def main() -> None:
    given = json.loads(sys.stdin.readline())
    folder, address, machine = Path(given["downloads"]), given["address"], given["machine"]
    with sync_playwright() as playwright:
        browser = launched(playwright, given["chromium"])
        it = Watched(browser, address, viewport={"width": 1280, "height": 800})
        it.page.wait_for_selector(".tile")
        found: dict[str, Any] = {"live": live(it, machine), "proofs": proofs(it, folder)}
        files = [folder / name for name in ("keys.proof", "pointer.proof", "changed.proof")]
        files[2].write_bytes(changed(files[0].read_bytes()))
        found["verdicts"] = verified(it, files, given["policy"])
        found["not_anchored"] = not_anchored(it)
        found["keyboard"] = keyboard(it)
        found["views"] = views(it, machine)
        found["hostile"] = hostile(it, given["hostile"], "messages?status=unsigned")
        found["log_in"] = log_in(browser, given["locked"], given["password"])
        found["looks"] = looks(browser, address, machine)
        found["away"] = away(it)
        found |= {"noted": it.noted, "asked": sorted(it.asked)}
        browser.close()
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
