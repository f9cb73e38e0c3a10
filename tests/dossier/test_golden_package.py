"""A package that was given out: every later release still finds it whole, and its report.

`tests/golden/evidence-package` was made once, by `make_golden` here. If the report's words, order
or style change, `dossier.report.page.FORM` has to, or packages that others hold would be called
false: then this fails.
"""

import json
import shutil
from pathlib import Path

from package_world import eventful, packed

from dossier.container import pack
from dossier.report.page import FORM
from factoryledger.cli import run

GOLDEN = Path(__file__).parents[1] / "golden" / "evidence-package"


def make_golden(place: Path) -> None:
    """Write the package and the policy that it is to be checked by; once for each form."""
    made = packed(place, eventful(), "mill-0", "mill-3", aim=60)
    GOLDEN.mkdir(exist_ok=True)
    with (GOLDEN / f"form-{FORM}.zip").open("xb") as file:
        pack(made.folder, file)
    (GOLDEN / "pinned").write_bytes(made.world.policy_bytes)
    shutil.rmtree(place)


def test_what_was_given_out_is_still_whole(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    packages = sorted(GOLDEN.glob("form-*.zip"))
    assert GOLDEN / f"form-{FORM}.zip" in packages
    for package in packages:
        arguments = ["verify", package, "--policy", GOLDEN / "pinned", "--json"]
        assert run([str(one) for one in arguments]) == 0, capsys.readouterr().err
        said = json.loads(capsys.readouterr().out)
        assert (said["machines"], said["missing"]) == (2, 3)
        compared = not any("is of form" in one for one in said["not_compared"])
        assert compared == (package.name == f"form-{FORM}.zip")
