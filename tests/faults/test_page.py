"""docs/faults.md lists every fault as the program has it; `--fault` says what YAML says."""

import importlib.util
import re
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from simulator.errors import BadScenario
from simulator.faults.fault import SensorFault
from simulator.faults.grammar import read_fault
from simulator.faults.spec import SPECS, AnyFault

found = importlib.util.spec_from_file_location("page", Path(__file__).with_name("faults_page.py"))
page = importlib.util.module_from_spec(found)
found.loader.exec_module(page)


def test_the_page_is_the_programs_own():
    assert page.PAGE.read_text("utf-8") == page.render(), "run `make docs`"


def test_every_fault_is_on_the_page_with_all_its_fields():
    parts = dict(
        re.findall(r"^### `([a-z-]+)`\n(.*?)(?=^##|\Z)", page.render(), re.MULTILINE | re.DOTALL)
    )
    assert set(parts) == set(SPECS)
    for name, spec in SPECS.items():
        for field in set(spec.model_fields) - page.COMMON:
            assert f"| `{field}` |" in parts[name]


@pytest.mark.parametrize("name", SPECS)
def test_a_fault_is_one_file_of_its_name_with_its_rule(name):
    module = SPECS[name].__module__
    assert module == f"simulator.faults.{name.replace('-', '_')}"
    assert SPECS[name].__doc__


@pytest.mark.parametrize("name", SPECS)
def test_the_line_says_what_a_scenario_says(name):
    sensor = issubclass(SPECS[name], SensorFault)
    line = f"{name}:mill-*{'/power' if sensor else ''}@1m+2.5"
    said = {"fault": name, "machine": "mill-*", "start": "1m", "lasts": 2.5}
    if sensor:
        said["metric"] = "power"
    assert read_fault(line) == TypeAdapter(AnyFault).validate_python(said)
    assert (read_fault(line).start, read_fault(line).lasts) == (60_000, 2_500)


def test_fields_follow_the_times():
    fault = read_fault("drift:mill-01/power@0+60,by=-2.5,ramp=1m")
    assert (fault.by, fault.ramp, fault.lasts) == (-2.5, 60_000, 60_000)
    assert read_fault("cloned-machine:m@0+1,session=same").session == "same"


WRONG = [
    ("", "is no fault; allowed: FAULT:MACHINE"),
    ("drift", "is no fault; allowed: FAULT:MACHINE"),
    ("drift:mill-01/power@5", "is no fault; allowed: FAULT:MACHINE"),
    ("gremlin:mill-01@1+1", "no fault 'gremlin'; allowed: stuck, drift, .*withheld-message$"),
    ("drift:mill-01@1+1", "drift needs a metric"),
    ("slow:mill-01/power@1+1", "slow has no metric"),
    ("slow:mill-01@1+1,by=2", "'by' is no field of it; allowed: delay"),
    ("slow:mill-01@1+1,delay=1,delay=2", "'delay' is there twice; allowed: delay"),
    ("offline:mill-01@1+1,by=2", "'by' is no field of it; allowed: none"),
    ("slow:mill-01@soon+1", "start: no span of time; allowed: seconds"),
    ("slow:mill-01@1+0", "lasts: input should be greater than 0"),
    ("slow:mill-01@-1+1", "start: "),
    ("spikes:mill-01/power@1+1,share=2", "share: input should be less than or equal to 1"),
    ("bias:mill-01/power@1+1,by=lots", "by: .*valid number"),
    ("bias:mill-01/power@1+1,by=nan", "by: .*finite number"),
    ("forged-sender:m@1+1,key=any", "key: allowed: 'own' or 'machine', not 'any'"),
]


@pytest.mark.parametrize(("line", "said"), WRONG)
def test_a_line_that_is_wrong_says_what_is_allowed(line, said):
    with pytest.raises(BadScenario, match=said):
        read_fault(line)
