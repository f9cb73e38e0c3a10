"""Drives the verifier page in the system's Chromium; run by `.venv-browser`'s Python.

On standard input JSON with `page` (a path), `cases` (proof and policy as base64) and `looks`
(a folder for pictures, or null); on standard output what the page said of each, and what the
browser noted meanwhile. The page comes from the disk, and the browser has no network: every
address but the page's own is written down and refused.
"""

import base64
import json
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Playwright,
    Route,
    sync_playwright,
)

SAID = """() => {
    const result = document.getElementById("result");
    const lines = (kind) => [...result.querySelectorAll(`.${kind} li`)].map((li) => li.textContent);
    return {
        verdict: result.dataset.verdict,
        reason: result.querySelector(".reason")?.textContent ?? null,
        proven: lines("proven"), open: lines("open"), unchecked: lines("unchecked"),
        figures: result.querySelectorAll("svg.path").length,
        tags: [...new Set([...document.querySelectorAll("*")].map((one) => one.localName))].sort(),
        title: document.title,
    };
}"""

# Many cases in one call: what a person does with the two file inputs, without a word to the
# browser's driver for each.
RUN_ALL = """async (cases) => {
    const said = SAID;
    const result = document.getElementById("result");
    const choose = (kind, data) => new Promise((done) => {
        const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], kind));
        const input = document.getElementById(`${kind}-file`);
        input.files = transfer.files;
        const observer = new MutationObserver(() => { observer.disconnect(); done(); });
        observer.observe(result, { attributeFilter: ["data-verdict"] });
        input.dispatchEvent(new Event("change", { bubbles: true }));
    });
    const answers = [];
    for (const { proof, policy } of cases) {
        if (policy !== null) await choose("policy", policy);
        await choose("proof", proof);
        answers.push(said());
    }
    return answers;
}""".replace("SAID", SAID)
AT_ONCE = 100

COLOURS = """() => {
    const { backgroundColor, color } = getComputedStyle(document.body);
    return [backgroundColor, color];
}"""


def launched(playwright: Playwright, chromium: str) -> Browser:
    """The system's browser, which asks its maker for nothing."""
    # Root has no sandbox.
    quiet = ["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
    return playwright.chromium.launch(executable_path=chromium, args=quiet)


def file_of(name: str, data: str) -> dict[str, Any]:
    return {"name": name, "mimeType": "", "buffer": base64.b64decode(data)}


class Driver:
    """One page, its cases one after the other."""

    def __init__(self, browser: Browser, address: str, **options: Any) -> None:
        self.noted: list[str] = []
        self.asked: list[str] = []
        self.context = browser.new_context(offline=True, **options)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.noted.append(str(error)))
        self.page.on("dialog", lambda dialog: self.noted.append(f"dialog: {dialog.message}"))
        self.address = address
        self.context.route("**/*", self._route)
        self.page.goto(address)
        self.runs = 0
        self.policy: str | None = None

    def _console(self, message: ConsoleMessage) -> None:
        self.noted.append(f"{message.type}: {message.text}")

    def _route(self, route: Route) -> None:
        if route.request.url == self.address:
            route.continue_()
        else:
            self.asked.append(route.request.url)
            route.abort()

    def said(self) -> dict[str, Any]:
        self.runs += 1
        self.page.wait_for_selector(f"#result[data-run='{self.runs}']", timeout=20_000)
        return dict(self.page.evaluate(SAID))

    def run(self, case: dict[str, str]) -> dict[str, Any]:
        """Both files through their inputs; the policy only where it is another than before."""
        if case["policy"] != self.policy:
            self.policy = case["policy"]
            self.page.set_input_files("#policy-file", file_of("policy", self.policy))
            if self.runs:
                self.said()
        self.page.set_input_files("#proof-file", file_of("message.proof", case["proof"]))
        return self.said()

    def run_all(self, cases: list[dict[str, str]]) -> list[dict[str, Any]]:
        """Every case, after a first one; a policy only where it is another than before."""
        self.run(cases[0])
        answers = []
        for start in range(0, len(cases), AT_ONCE):
            given: list[dict[str, str | None]] = []
            for case in cases[start : start + AT_ONCE]:
                same = case["policy"] == self.policy
                given.append({"proof": case["proof"], "policy": None if same else case["policy"]})
                self.policy = case["policy"]
            answers += self.page.evaluate(RUN_ALL, given)
        return answers


def keyboard(browser: Browser, address: str, case: dict[str, str]) -> dict[str, Any]:
    """Paste both, with keys alone."""
    driver = Driver(browser, address)
    press, focused = (
        driver.page.keyboard,
        "document.activeElement.id || document.activeElement.localName",
    )
    order = []
    for kind in ("proof", "policy"):
        press.press("Tab")
        order.append(driver.page.evaluate(focused))
        press.press("Tab")
        order.append(driver.page.evaluate(focused))
        press.press("Enter")
        press.press("Tab")
        order.append(driver.page.evaluate(focused))
        press.insert_text(base64.b64decode(case[kind]).decode())
    # Each line of what is typed is checked as it stands; the last one makes it whole.
    driver.page.wait_for_selector("#result.valid", timeout=20_000)
    said = driver.page.evaluate(SAID)
    order.append(driver.page.evaluate(focused))
    press.press("Tab")
    order.append(driver.page.evaluate(focused))
    press.press("Enter")
    unfolded = driver.page.evaluate("document.querySelector('#result details').open")
    driver.context.close()
    return {"order": order, "unfolded": unfolded, "noted": driver.noted, **said}


def dropped(browser: Browser, address: str, case: dict[str, str]) -> dict[str, Any]:
    """Both files at once, onto the page."""
    driver = Driver(browser, address)
    texts = [base64.b64decode(case[kind]).decode() for kind in ("policy", "proof")]
    transfer = driver.page.evaluate_handle(
        """(texts) => {
            const transfer = new DataTransfer();
            for (const text of texts) transfer.items.add(new File([text], "one"));
            return transfer;
        }""",
        texts,
    )
    driver.page.dispatch_event("body", "drop", {"dataTransfer": transfer})
    said = driver.said()
    driver.context.close()
    return {"noted": driver.noted, **said}


def without_ed25519(browser: Browser, address: str, case: dict[str, str]) -> dict[str, Any]:
    """A browser that knows no Ed25519."""
    driver = Driver(browser, address)
    driver.page.evaluate(
        """() => {
            crypto.subtle.importKey = async () => { throw new Error("unknown"); };
        }"""
    )
    said = driver.run(case)
    driver.context.close()
    return said


def looks(browser: Browser, address: str, case: dict[str, str], folder: str | None) -> list[Any]:
    """How it lies on screens: whether anything sticks out, its colours; and pictures."""
    found = []
    for name, width, scheme in (
        ("light", 1100, "light"),
        ("dark", 1100, "dark"),
        ("phone", 360, "light"),
    ):
        driver = Driver(
            browser, address, viewport={"width": width, "height": 800}, color_scheme=scheme
        )
        if folder:
            driver.page.screenshot(path=Path(folder) / f"{name}-empty.png", full_page=True)
        driver.run(case)
        driver.page.click("#result summary")
        wide = driver.page.evaluate("document.documentElement.scrollWidth")
        colours = driver.page.evaluate(COLOURS)
        found.append({"name": name, "width": width, "scrolls": wide, "colours": colours})
        if folder:
            driver.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
        driver.context.close()
    return found


def main() -> None:
    given = json.load(sys.stdin)
    cases, address = given["cases"], Path(given["page"]).as_uri()
    good = cases[given["good"]]
    with sync_playwright() as playwright:
        browser = launched(playwright, given["chromium"])
        driver = Driver(browser, address)
        answers = driver.run_all(cases)
        found = {
            "cases": answers,
            "noted": driver.noted,
            "asked": driver.asked,
            "keyboard": keyboard(browser, address, good),
            "dropped": dropped(browser, address, good),
            "unable": without_ed25519(browser, address, good),
            "looks": looks(browser, address, good, given["looks"]),
            "browser": browser.version,
        }
        browser.close()
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
