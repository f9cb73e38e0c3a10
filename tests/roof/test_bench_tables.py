"""The tables of the documents are what the stored run says, and nothing is added by hand."""

import json
import runpy
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STORED = ROOT / "docs/bench.json"


@pytest.fixture
def benchmarks(monkeypatch):
    """Load a script of benchmarks/, which is no package."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield lambda name: runpy.run_path(str(ROOT / "benchmarks" / f"{name}.py"))
    for name in ("figure", "scale_page", "capacity_page", "on_machine"):
        sys.modules.pop(name, None)


@pytest.fixture
def stored():
    return json.loads(STORED.read_text("utf-8"))


@pytest.fixture
def whole(benchmarks):
    """A run that has every row that README and scale.md want, each piece alone."""
    names = {
        *benchmarks("tables")["README"],
        *(f"collect.{row}" for row in benchmarks("scale_page")["ROWS"]),
        *(
            f"{n}.{row}"
            for n, each in benchmarks("bench")["PIECES"].items()
            for row in each.rows.split()
        ),
    }
    pieces = {}
    for count, name in enumerate(sorted(names), 1):
        figure = benchmarks("figure")["measured"](
            name, f"what {name} is", [100.0 + count], 200.0, unit="ms", of="it", how="so"
        )
        piece = {"commit": "abc", "at": "2026-11-28T08:00:00", "others": 0.01, "figures": []}
        pieces.setdefault(name.partition(".")[0], piece)["figures"].append(asdict(figure))
    programs = {"Python": "3.11.7"}
    machine = {"processor": "a", "cores": 2, "system": "Linux", "programs": programs}
    return {"machine": machine, "pieces": pieces}


def test_the_pages_are_what_the_stored_run_says(benchmarks, stored):
    for path, text in benchmarks("tables")["pages"](stored):
        assert path.read_text("utf-8") == text, f"{path.name}: run `make bench-table`"


def test_each_piece_shows_in_each_table_that_has_it(benchmarks, whole):
    tables = benchmarks("tables")
    marks = [f"<!-- bench: {name} -->\n<!-- bench -->" for name in whole["pieces"]]
    pages = {"readme": "<!-- bench: readme -->\n<!-- bench -->", "all": "\n".join(marks)}
    scale = (ROOT / "docs/scale.md").read_text("utf-8")

    def written():
        run = tables["Run"](whole)
        found = {name: tables["rendered"](run, page) for name, page in pages.items()}
        return {**found, "scale": tables["scale"](run.figures, scale)}

    before = written()
    for name, piece in whole["pieces"].items():
        for figure in piece["figures"]:
            figure["value"] *= 3
            figure["ratio"] *= 3
        after = written()
        wanted = {"all"}
        if any(row.startswith(f"{name}.") for row in tables["README"]):
            wanted.add("readme")
        if name == "collect":
            wanted.add("scale")
        assert {page for page, text in after.items() if text != before[page]} == wanted, name
        before = after


def test_a_piece_that_was_not_alone_gives_no_row(benchmarks, whole):
    tables = benchmarks("tables")
    page = "<!-- bench: readme -->\n<!-- bench -->"
    text = tables["rendered"](tables["Run"](whole), page)
    assert "Left out" not in text
    assert all(f"what {name} is" in text for name in tables["README"])
    for others in (0.5, None):
        whole["pieces"]["audit"]["others"] = others
        text = tables["rendered"](tables["Run"](whole), page)
        assert "what audit.signed is" not in text
        assert "†" not in text
        assert "Left out, not measured on a quiet machine yet: audit.signed" in text
        assert "what proof.prove is" in text


def test_work_beside_a_piece_leaves_its_cpu_time_and_sizes_and_is_told(benchmarks, whole):
    tables = benchmarks("tables")
    page = "<!-- bench: readme -->\n<!-- bench -->\n<!-- bench: audit -->\n<!-- bench -->"
    for figure in whole["pieces"]["audit"]["figures"]:
        figure["unit"] = "/s a core"
    assert "†" not in tables["rendered"](tables["Run"](whole), page)
    whole["pieces"]["audit"]["others"] = 0.5
    text = tables["rendered"](tables["Run"](whole), page)
    assert "Left out" not in text
    assert text.count("† measured beside other work") == 2
    assert text.count("**†") == sum(name.startswith("audit.") for name in tables["README"]) + len(
        whole["pieces"]["audit"]["figures"]
    )


def test_cpu_time_stands_in_for_a_rate_that_was_not_measured_alone(benchmarks, whole):
    tables = benchmarks("tables")
    page = "<!-- bench: readme -->\n<!-- bench -->"
    core = {**whole["pieces"]["collect"]["figures"][0], "name": "collect.signed-core"}
    core |= {"what": "the core's", "unit": "/s a core"}
    whole["pieces"]["collect"]["figures"].append(core)
    assert "the core's" not in tables["rendered"](tables["Run"](whole), page)
    whole["pieces"]["collect"]["others"] = 0.5
    text = tables["rendered"](tables["Run"](whole), page)
    assert "the core's" in text
    assert "yet: collect.unsigned.\n" in text


def test_the_page_on_scale_waits_for_a_run_that_has_all_of_its_rows(benchmarks, whole):
    tables = benchmarks("tables")
    page = (ROOT / "docs/scale.md").read_text("utf-8")
    assert tables["scale"](tables["Run"](whole).figures, page) != page
    whole["pieces"]["collect"]["others"] = 0.5
    assert tables["scale"](tables["Run"](whole).figures, page) == page


def test_every_piece_of_the_stored_run_is_whole(benchmarks, stored):
    pieces = benchmarks("bench")["PIECES"]
    for name, piece in stored["pieces"].items():
        assert not piece["quick"], name
        rows = {figure["name"] for figure in piece["figures"]}
        assert {f"{name}.{row}" for row in pieces[name].rows.split()} <= rows


def test_a_figure_is_the_median_of_paired_ratios(benchmarks):
    figure = benchmarks("figure")
    made = figure["measured"](
        "part.row", "what", [10.0, 40.0, 30.0], [10.0, 10.0, 20.0], unit="ms", of="x", how="y",
        most=1.0,
    )  # fmt: skip
    assert (made.ratio, made.low, made.high, made.runs) == (1.5, 1.0, 4.0, 3)
    assert (made.value, made.base) == (30.0, 10.0)
    assert made.missed
    bound = figure["measured"](
        "a.b", "what", [3.0], 4.0, unit="ms", of="x", how="y", least=0.5, most=1.0
    )
    assert bound.ratio == 0.75
    assert not bound.missed


def test_what_a_script_tells_is_taken_from_what_it_prints(benchmarks, capsys):
    figure = benchmarks("figure")
    made = figure["measured"]("a.b", "µs", [1.0], [3.0], unit="µs", of="x", how="y")
    figure["tell"]([made])
    lines = ["round 1", *capsys.readouterr().out.splitlines(), "figures follow"]
    assert [asdict(one) for one in figure["told"](lines)] == [asdict(made)]


@pytest.mark.long
def test_every_piece_runs_and_gives_its_rows(tmp_path):
    out = tmp_path / "bench.json"
    command = [sys.executable, str(ROOT / "benchmarks/bench.py"), "--quick", "--out", str(out)]
    subprocess.run(command, check=True, cwd=ROOT)
    found = json.loads(out.read_text("utf-8"))
    assert found["pieces"]
    assert all(piece["figures"] for piece in found["pieces"].values())
