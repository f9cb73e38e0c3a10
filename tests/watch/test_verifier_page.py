"""The verifier page: the same verdicts and the same sentences as the command, in a browser.

`drive_page.py` runs the whole table of proofs through the page, in one Chromium.
"""

import json
import re
import shutil
import subprocess
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from proof_cases import HOSTILE, Case, proof_cases
from verifier_page import astray, modules, render

from anchor.errors import Refused
from anchor.policy import Policy
from anchor.proving.verify import verify
from factoryledger.cli import run
from watch.verifier import page

ROOT = Path(__file__).parents[2]
BROWSER = ROOT / ".venv-browser" / "bin" / "python"
PAGE = ROOT / "watch" / "verifier" / "verifier.html"
TAGS = """
article body circle code dd details div dl dt figcaption figure footer h1 h2 h3 head header html
input label li line main meta noscript p script section style summary svg text textarea title ul
"""
GOOD = "golden message.proof"


def test_the_committed_page_is_what_its_modules_make() -> None:
    assert page().decode() == render(), "`make verifier` was not run"
    assert len(page()) < 110_000


def test_every_module_imports_what_it_uses_and_is_small() -> None:
    assert list(astray()) == []
    sizes = {name: text.count("\n") for name, text in modules().items()}
    assert max(sizes.values()) < 250, sizes
    names = re.findall(
        r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)",
        "".join(modules().values()),
        re.MULTILINE,
    )
    assert len(set(names)) == len(names), "joined into one script, every name is once"


def test_the_page_can_load_nothing_and_runs_only_its_own() -> None:
    text = page().decode()
    assert text.count("http-equiv") == 1
    found = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert found is not None
    rules = dict(rule.split(" ", 1) for rule in found[1].split("; "))
    for name in ("script", "style"):
        inside = re.findall(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)
        assert len(inside) == 1
        digest = b64encode(sha256(inside[0].encode()).digest()).decode()
        assert rules.pop(f"{name}-src") == f"'sha256-{digest}'"
    assert rules == {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'"}
    assert not re.search(r"\b(src|href|style|on\w+)=", text.partition("<script>")[0])
    addresses = re.findall(r"https?://[^\s\"'`)]+", text)
    assert addresses == ["http://www.w3.org/2000/svg"], "a name, which nothing is asked of"
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text)


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    file = tmp_path / "check.html"
    assert run(["verify", "--page", str(file)]) == 0
    assert file.read_bytes() == page()


def test_the_page_says_of_every_case_what_the_command_says() -> None:
    """All in one browser: verdicts, sentences, hostile names, keys, screens, and no network."""
    chromium = shutil.which("chromium")
    if chromium is None or not BROWSER.exists():
        pytest.skip("no Chromium, or no Playwright: `make browser` gets both")
    # Together by policy, which is then given once.
    cases = sorted(proof_cases(), key=lambda case: case.policy)
    said = drive(chromium, cases)
    for case, answer in zip(cases, said["cases"], strict=True):
        check_case(case, answer)
        check_only_text(answer)
    assert said["noted"] == [], "errors or dialogs of the browser"
    assert said["asked"] == [], "requests beside the page itself"
    check_unchecked({case.name: a for case, a in zip(cases, said["cases"], strict=True)})
    check_hands(said)
    check_screens(said["looks"])


def drive(chromium: str, cases: list[Case]) -> dict[str, Any]:
    given = {
        "page": str(PAGE),
        "chromium": chromium,
        "looks": None,
        "good": [case.name for case in cases].index(GOOD),
        "cases": [
            {"proof": b64encode(case.proof).decode(), "policy": b64encode(case.policy).decode()}
            for case in cases
        ],
    }
    done = subprocess.run(
        [BROWSER, "-I", Path(__file__).with_name("drive_page.py")],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def check_case(case: Case, answer: dict[str, Any]) -> None:
    """The verdict; then every sentence of the command's, or at which hop it ended."""
    assert answer["verdict"] == case.page, (case.name, answer)
    assert answer["figures"] == (2 if case.page == "valid" else 0)
    if case.page == "valid" and case.same_lines:
        gaps = [f"Not proven: {gap[0].lower()}{gap[1:]}" for gap in answer["open"]]
        lines = verify(case.proof, Policy.from_bytes(case.policy)).lines()
        assert [*answer["proven"], *gaps] == lines, case.name
    if case.page == "refused":
        with pytest.raises(Refused) as refused:
            verify(case.proof, Policy.from_bytes(case.policy))
        hop, _, _ = str(refused.value).partition("): ")
        assert answer["reason"].startswith(f"{hop}): "), case.name


def check_only_text(answer: dict[str, Any]) -> None:
    """Whatever a name says, the page holds its own elements and its own title."""
    assert set(answer["tags"]) <= set(TAGS.split())
    assert answer["title"] == "factoryledger: check a proof"


def check_unchecked(answers: dict[str, dict[str, Any]]) -> None:
    witness = "Witness w1: its ML-DSA-44 cosignature is not checked here, and not counted."
    for quorum in ("any", "none"):
        answer = answers[f"ML-DSA-44, quorum {quorum}"]
        assert answer["unchecked"] == [witness]
        assert "1 witness (w0)" in answer["proven"][-1]
    assert "w1" in answers["ML-DSA-44, quorum all"]["reason"]
    (ledger,) = answers["golden stamped.proof"]["unchecked"]
    assert re.fullmatch(r"Ledger \S+: its receipt is not checked here, and not counted\.", ledger)
    assert answers[GOOD]["unchecked"] == []
    names = "\n".join(answers["hostile metric names"]["proven"])
    assert all(name in names for name in HOSTILE if name.isprintable())
    assert "right\\u202eto left" in names


def check_hands(said: dict[str, Any]) -> None:
    """By keys alone, by dropping both files at once, and without Ed25519."""
    assert said["keyboard"]["order"] == [
        "proof-file",
        "summary",
        "proof-text",
        "policy-file",
        "summary",
        "policy-text",
        "result",
        "summary",
    ]
    assert said["keyboard"]["unfolded"]
    for way in ("keyboard", "dropped"):
        assert (said[way]["verdict"], said[way]["noted"]) == ("valid", []), way
    assert said["unable"]["verdict"] == "unable"
    assert said["unable"]["proven"] == []


def check_screens(looks: list[dict[str, Any]]) -> None:
    """Nothing sticks out, on a phone neither; dark where the reader's machine is."""
    assert all(look["scrolls"] <= look["width"] for look in looks)
    ground = {look["name"]: sum(map(int, re.findall(r"\d+", look["colours"][0]))) for look in looks}
    words = {look["name"]: sum(map(int, re.findall(r"\d+", look["colours"][1]))) for look in looks}
    assert ground["dark"] + 450 < words["dark"]
    assert words["light"] + 450 < ground["light"]
