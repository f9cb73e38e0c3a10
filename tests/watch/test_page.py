"""The page of `factoryledger web`, in the system's Chromium, on a factory that runs.

One factory and one browser for all: `drive_factory.py` does what a person does, and this looks
at what came of it.
"""

import json
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import pytest
from factory_world import Factory, factory, web

from factoryledger.cli import run

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "watch" / "page"
BROWSER = ROOT / ".venv-browser" / "bin" / "python"
MACHINES = 3
PASSWORD = "a password for this test alone"
MODULES = sorted(PAGE.glob("*.js"))
STYLES = sorted(PAGE.glob("*.css"))
EXPORTED = re.compile(r"^export (?:async )?(?:function|class|const) (\w+)", re.MULTILINE)
IMPORTED = re.compile(r'^import \{ ([\w, ]+) \} from "\./(.+)";$', re.MULTILINE)

# Metrics, units, states, events and topics as no honest machine names them.
HOSTILE = (
    "<img src=x onerror=window.ran=1>",
    "<script>window.ran=1</script>",
    "<svg/onload=window.ran=1>",
    "\"'><b>bold</b>",
    "javascript:window.ran=1",
    "{{constructor.constructor('window.ran=1')()}}",
    "${window.ran=1}",
    "right\u202eto left",
    "bell\x07escape\x1b[31mred",
    "null\u0085next\u2028line",
    "no\u00a0break zero\u200bwidth",
    "__proto__",
    "constructor",
    "toString",
    "e" + "\u0301" * 60,
    "long" * 31,
)
NOTE = "<script>window.ran=2</script><img src=x onerror=window.ran=3> ${window.ran=4}"
SHOWN = {
    "right\u202eto left": "right\\u202eto left",
    "bell\x07escape\x1b[31mred": "bell\\x07escape\\x1b[31mred",
    "null\u0085next\u2028line": "null\\x85next\\u2028line",
    "no\u00a0break zero\u200bwidth": "no\\xa0break zero\\u200bwidth",
}
PLACE = "bad/works/in/line"
TAGS = """
a b body button caption circle clippath code datalist dd details div dl dt figcaption figure form g
h1 h2 h3 head header html i input label li line link main meta meter nav noscript ol option p path
polyline pre rect script section select span summary svg symbol table tbody td text th thead title
tr ul use
"""


def test_every_file_is_small_and_puts_nothing_into_the_page_but_text() -> None:
    for module in MODULES:
        text = module.read_text()
        assert text.count("\n") < 250, module.name
        assert text.startswith("//"), f"{module.name} says what it is"
        bad = r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(|\.style\b"
        assert not re.search(bad, text), module.name
        assert re.findall(r"https?://[^\s\"'`)]+", text) in ([], ["http://www.w3.org/2000/svg"])
    index = (PAGE / "index.html").read_text()
    assert not re.search(r"\bon\w+=|\bstyle=|<style|https?:", index)
    assert re.findall(r"<script[^>]*>[^<]*", index) == [
        '<script type="module" src="/assets/main.js">'
    ]
    assert not re.search(r"url\(|@import", "".join(style.read_text() for style in STYLES))


def test_modules_import_what_there_is_and_what_they_use() -> None:
    exports = {
        module.name: set(
            re.findall(
                r"^export (?:async )?(?:function|class|const) (\w+)",
                module.read_text(),
                re.MULTILINE,
            )
        )
        for module in [*MODULES, ROOT / "watch" / "verifier" / "words.js"]
    }
    used: set[tuple[str, str]] = set()
    for module in MODULES:
        text = module.read_text()
        for names, home in re.findall(
            r'^import \{ ([\w, ]+) \} from "\./(.+)";$', text, re.MULTILINE
        ):
            body = re.sub(r"^(import|//).*$", "", text, flags=re.MULTILINE)
            for name in names.split(", "):
                assert name in exports[home], f"{module.name} imports {name} of {home}"
                assert re.search(rf"\b{name}\b", body), f"{module.name} does not use {name}"
                used.add((home, name))
    own = {(home, name) for home, names in exports.items() for name in names if home != "words.js"}
    assert own - used == set(), "exported, and nobody's"
    named = re.findall(r'"/assets/([\w.]+)"', (PAGE / "index.html").read_text())
    assert all((PAGE / name).exists() or name in exports for name in named)


def test_words_stand_out_from_their_ground_in_light_and_dark() -> None:
    """WCAG 2.2, 1.4.3 (AA): 4.5 to 1 for text."""
    pairs = dict(re.findall(r"--([\w-]+): light-dark\(([^)]*)\)", (PAGE / "page.css").read_text()))
    colours = {name: value.split(", ") for name, value in pairs.items()}
    grounds = ("ground", "sheet", "raised")
    wanted = [(words, ground) for words in ("ink", "soft", "accent") for ground in grounds]
    for kind in ("good", "warn", "bad"):
        wanted += [(kind, f"{kind}-ground"), (kind, "sheet"), ("ink", f"{kind}-ground")]
    wanted += [("soft", "warn-ground"), ("soft", "bad-ground"), ("on-accent", "accent")]
    for words, ground in wanted:
        for scheme in (0, 1):
            ratio = contrast(colours[words][scheme], colours[ground][scheme])
            assert ratio >= 4.5, f"{words} on {ground}: {ratio:.2f}"


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.2."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the browser did at a factory of three machines and one that says bad things."""
    chromium = shutil.which("chromium")
    if chromium is None or not BROWSER.exists():
        pytest.skip("no Chromium, or no Playwright: `make browser` gets both")
    folder = tmp_path_factory.mktemp("page")
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    with ExitStack() as stack:
        place = stack.enter_context(factory(folder / "data", MACHINES))
        address = stack.enter_context(web(place))
        locked = stack.enter_context(web(place, FACTORYLEDGER_WEB_PASSWORD_FILE=str(secret)))
        publish(place.broker)
        correct(place.data)
        given = {
            "address": address,
            "locked": locked,
            "password": PASSWORD,
            "chromium": chromium,
            "machine": "mill-01",
            "hostile": "evil",
            "policy": str(place.data / "policy"),
            "downloads": str(folder),
        }
        yield {**drive(given, place), "addresses": {address, locked}}


def correct(data: Path) -> None:
    """Let the operator say hostile things of a stored reading, and of what is nobody's."""
    reading = row_of(data, "topic LIKE '%/mill-01/telemetry' AND status = 'accepted'")
    metric = min(json.loads(reading[2])["readings"])
    said = ["--reason", NOTE, "--by", HOSTILE[0], "--data", str(data)]
    for (collector, position, _), words in (
        (reading, ["--metric", metric, "--value", "98765.50"]),
        (row_of(data, "status = 'unsigned'"), ["--annotate"]),
    ):
        assert int(run(["correct", "--message", f"{collector}:{position}", *words, *said])) == 0


def row_of(data: Path, which: str) -> tuple[str, int, bytes]:
    """The first such message, once it is stored."""
    query = f"SELECT collector, position, payload FROM messages WHERE {which} ORDER BY 1, 2 LIMIT 1"
    for _ in range(200):
        with closing(sqlite3.connect(f"file:{data / 'ledger.db'}?mode=ro", uri=True)) as store:
            row = store.execute(query).fetchone()
        if row is not None:
            return tuple(row)
        sleep(0.05)
    raise AssertionError(f"no message with {which} was stored")


def drive(given: dict[str, Any], place: Factory) -> dict[str, Any]:
    with subprocess.Popen(
        [BROWSER, "-I", Path(__file__).with_name("drive_factory.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as driver:
        try:
            assert driver.stdin is not None
            assert driver.stdout is not None
            driver.stdin.write(json.dumps(given) + "\n")
            driver.stdin.flush()
            if driver.stdout.readline():
                place.end()
            out, err = driver.communicate("ended\n", timeout=120)
        finally:
            driver.kill()
    assert driver.returncode == 0, err
    return dict(json.loads(out))


def publish(broker: str) -> None:
    """Say bad things as a machine that nobody enrolled, and on topics of no machine."""
    where = urlsplit(broker)
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.connect(str(where.hostname), where.port or 1883)
    client.loop_start()
    metrics = {name: {"unit": name, "low": 0.0, "high": 1.0} for name in HOSTILE}
    time = "2026-11-28T08:00:00.000000Z"
    readings = {"time": time, "readings": dict.fromkeys(HOSTILE, 0.5)}
    said = {
        "birth": {"birth": {"metrics": metrics, "kind": HOSTILE[0]}},
        "state": {"time": time, "state": {"name": HOSTILE[0], "number": 6}},
        "telemetry": {"session": HOSTILE[1], "seq": 0, "key": HOSTILE[2], **readings},
        "event": {"time": time, "event": {"name": HOSTILE[1]}},
    }
    sent = [
        client.publish(f"{PLACE}/evil/{kind}", json.dumps(one), qos=1, retain=kind != "event")
        for kind, one in said.items()
    ]
    topics = [name for name in HOSTILE if not re.search(r"[\x00-\x1f\x7f-\x9f]", name)]
    sent += [
        client.publish(f"{PLACE}/{name.replace('/', '')}/telemetry", name, qos=1) for name in topics
    ]
    for one in sent:
        one.wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


@pytest.mark.e2e
def test_live_values_move(done: dict[str, Any]) -> None:
    times = [int(time) for time in done["live"]]
    assert len(times) == 3
    assert times == sorted(set(times))


@pytest.mark.e2e
def test_a_proof_from_a_chart_holds_in_the_verifier_page_and_a_changed_one_does_not(
    done: dict[str, Any],
) -> None:
    assert re.fullmatch(r"mill-01-[0-9a-f]{8}-\d+\.proof", done["proofs"]["keys"])
    assert re.fullmatch(r"mill-01-[0-9a-f]{8}-\d+\.proof", done["proofs"]["pointer"])
    number = done["proofs"]["keys"].rpartition("-")[2].removesuffix(".proof")
    assert done["proofs"]["chosen"].endswith(f"message {number}")
    assert done["verdicts"] == ["valid", "valid", "refused"]


@pytest.mark.e2e
def test_a_message_without_a_checkpoint_is_said_with_how_long_it_takes(
    done: dict[str, Any],
) -> None:
    assert "Message 9 is not anchored yet. Again in about 3 s." in done["not_anchored"]


@pytest.mark.e2e
def test_views_say_what_there_is(done: dict[str, Any]) -> None:
    said = done["views"]
    assert "mill-01" in said["floor"]
    assert "Every message that was received is accounted for." in said["pipeline"]
    assert re.search(r"[\d,]+ received = [\d,]+ stored \+ \d+ duplicates", said["pipeline"])
    assert re.search(r"Root\n[A-Za-z0-9+/]{43}=", said["log"])
    assert re.search(r"demo\s+20\d\d-", said["log"])
    assert "mill-01" in said["devices"]
    assert "mill-01" in said["history"]
    for view in ("history", "machine"):
        assert re.search(r"corrected by |corrected \w+ 98765\.50", said[view]), view
    assert "accepted" in said["messages"]


@pytest.mark.e2e
def test_what_comes_from_outside_is_text(done: dict[str, Any]) -> None:
    found = done["hostile"]
    assert found["ran"] is None
    assert set(found["tags"]) <= set(TAGS.lower().split()) | {"clipPath"}
    for name in HOSTILE:
        assert SHOWN.get(name, name) in found["text"], name
    assert f"annotated by {HOSTILE[0]}, " in found["text"]
    assert NOTE in found["text"]
    assert not re.search(r"[\u202e\x07\x1b\u2028\u200b]", found["text"])


@pytest.mark.e2e
def test_all_of_it_goes_by_keys(done: dict[str, Any]) -> None:
    assert done["keyboard"] == {
        "first": "#content",
        "skipped": "content",
        "stops": 1,
        "moved": True,
        "returned": True,
    }


@pytest.mark.e2e
def test_who_has_no_password_sees_nothing(done: dict[str, Any]) -> None:
    found = done["log_in"]
    assert (found["before"], found["after"]) == (0, 0)
    assert found["wrong"] == "This is not the password."
    assert found["noted"] == []


@pytest.mark.e2e
def test_it_lies_well_on_a_phone_and_in_the_dark(done: dict[str, Any]) -> None:
    for look in done["looks"]:
        assert look["wide"] <= 360, look["view"]
        assert sum(map(int, re.findall(r"\d+", look["ground"]))) < 150
        assert look["noted"] == []


@pytest.mark.e2e
def test_a_broker_that_is_gone_is_said(done: dict[str, Any]) -> None:
    assert "No live values: the broker does not answer." in done["away"]


@pytest.mark.e2e
def test_the_browser_complains_of_nothing_and_asks_nobody_else(done: dict[str, Any]) -> None:
    assert done["noted"] == []
    hosts = {f"{one.scheme}://{one.netloc}" for one in map(urlsplit, asked(done))}
    assert hosts - {"blob://", "about://", "data://"} <= done["addresses"]
    assert len(hosts) >= 2


def asked(done: dict[str, Any]) -> list[str]:
    return [*done["asked"], *done["log_in"]["asked"]]
