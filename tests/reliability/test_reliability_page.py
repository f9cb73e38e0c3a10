"""The page's figures are those of the runs that are kept."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from reliability_page import END, KEPT, PAGE, START, page, rendered, taken


def test_the_page_is_written_from_what_is_kept():
    kept = json.loads(KEPT.read_bytes()) if KEPT.exists() else {}
    assert PAGE.read_text("utf-8") == page(PAGE.read_text("utf-8"), kept), "run `make reliability`"


def test_a_run_takes_the_place_of_the_former_one_and_no_other(tmp_path):
    run = {"seed": 1, "counts": [{"what": "log", "outcome": "found", "count": 1234}]}
    (tmp_path / "mutations.json").write_text(json.dumps(run))
    kept = taken(tmp_path)
    assert kept["mutations"] == run
    before = json.loads(KEPT.read_bytes()) if KEPT.exists() else {}
    assert {**kept, "mutations": None} == {**before, "mutations": None}


def test_what_a_run_says_is_said():
    run = {"seed": 1, "counts": [{"what": "log", "outcome": "slipped through", "count": 2}]}
    told = rendered({"mutations": run})
    assert told.startswith(START)
    assert told.endswith(END)
    assert "2 tried, 0 found, 0 without meaning, slipped through **2**" in told
    steps = {
        "parts": {"outbox": {"steps": 7, "seconds": 1.0}},
        "rows": [
            {"part": "outbox", "fault": "EIO", "steps": 7, "killed": 0, "ended": 7, "went on": 0,
             "power cuts": 3, "broken": 1}
        ],
        "wrong": [],
    }  # fmt: skip
    assert "promises broken **1**" in rendered({"steps": steps})
    assert "| outbox | EIO | 7 | 0 | 7 | 0 | 3 | 1 |\n" in rendered({"steps": steps})
