"""Units are UCUM: parsed by a kept library's grammar, and of the dimension that is meant."""

import pytest
from lark.exceptions import UnexpectedInput
from ucumvert import PintUcumRegistry, get_ucum_parser

from simulator.machines import KINDS

# What a metric measures, by the end of its name, in base units of the SI.
DIMENSIONS = {
    "power": "W",
    "temperature": "Cel",
    "force": "N",
    "tension": "N",
    "torque": "N.m",
    "speed": ("/s", "m/s"),
    "pressure": "Pa",
    "current": "A",
    "voltage": "V",
    "frequency": "/s",
    "vibration": "m/s",
    "cooling": "W",
    "heat_loss": "W",
    "demand": "W",
    "energy": "J",
    "cycle_time": "s",
    "wear": "1",
    "payload": "kg",
    "load": ("1", "kg/m"),
    "cop": "1",
    "diameter": "m",
    "roughness": "m",
    "error": "m",
    "charge": "1",
    "angle": "rad",
    "throughput": "kg/s",
    "flow": "m3/s",
}

UNITS = sorted({metric.unit for kind in KINDS.values() for metric in kind.metrics.values()})


@pytest.fixture(scope="module")
def parser():
    return get_ucum_parser()


@pytest.fixture(scope="module")
def registry():
    return PintUcumRegistry()


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_is_ucum(parser, unit):
    parser.parse(unit)


@pytest.mark.parametrize("unit", ["kVar", "degC", "rpm", "kWh", "percent", "m³/h"])
def test_what_people_write_is_not(parser, unit):
    with pytest.raises(UnexpectedInput):
        parser.parse(unit)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_a_metric_has_the_dimension_that_its_name_says(registry, kind):
    checked = 0
    for name, metric in kind.metrics.items():
        meant = next((unit for end, unit in DIMENSIONS.items() if name.endswith(end)), None)
        if name in {"reactive_power", "apparent_power", "specific_power"}:
            meant = "W" if name != "specific_power" else "J/m3"
        if meant is None:
            continue
        units = (meant,) if isinstance(meant, str) else meant
        unit = registry.from_ucum(metric.unit)
        assert any(unit.is_compatible_with(registry.from_ucum(one)) for one in units), name
        checked += 1
    assert checked >= len(kind.metrics) // 2
