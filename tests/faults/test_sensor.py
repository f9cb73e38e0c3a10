"""Sensor faults: what each docstring says, on its metric alone, and nothing outside."""

import math

import pytest

SENSOR = ["stuck", "drift", "bias", "spikes", "dropout", "noise"]
START, END = 100, 160


def series(twins, machine, fault, metric="spindle_temperature"):
    """The metric well and ill within the interval, after checking that all else is equal."""
    text, _, fields = fault.partition(",")
    told = f"{text}:mill-01/{metric}@{START}+{END - START}" + (f",{fields}" if fields else "")
    inside = []
    for second, well, ill in twins(machine("mill"), told, seconds=220):
        others = {name: value for name, value in well.items() if name != metric}
        assert others == {name: value for name, value in ill.items() if name != metric}
        if START <= second < END:
            inside.append((well[metric], ill.get(metric)))
        else:
            assert well[metric] == ill[metric]
    assert len(inside) == END - START
    return inside


@pytest.mark.parametrize("fault", SENSOR)
def test_it_changes_its_metric_within_its_interval_and_nothing_else(twins, machine, fault):
    inside = series(twins, machine, fault)
    assert any(well != ill for well, ill in inside)


def test_stuck_gives_the_value_from_before(twins, machine):
    inside = series(twins, machine, "stuck")
    before = twins(machine("mill"), seconds=START)[-1][1]["spindle_temperature"]
    assert {ill for _, ill in inside} == {before}


def test_stuck_from_the_first_scan_keeps_to_the_first(twins, machine):
    found = twins(machine("mill"), "stuck:mill-01/power@0+30", seconds=31)
    assert {ill["power"] for second, _, ill in found[:30]} == {found[0][1]["power"]}


def test_drift_grows_from_nothing_to_its_size(twins, machine):
    errors = [ill - well for well, ill in series(twins, machine, "drift,by=6")]
    assert errors[0] == 0
    assert errors == pytest.approx([6 * n / 60 for n in range(60)], abs=1e-4)


def test_drift_is_all_there_after_its_ramp(twins, machine):
    errors = [ill - well for well, ill in series(twins, machine, "drift,by=-4,ramp=20")]
    assert errors[20:] == pytest.approx([-4.0] * 40, abs=1e-4)
    assert errors[10] == pytest.approx(-2.0, abs=1e-4)


def test_bias_is_there_at_once_a_tenth_of_the_range_by_itself(twins, machine):
    errors = [ill - well for well, ill in series(twins, machine, "bias")]
    assert errors == pytest.approx([12.0] * 60, abs=1e-4)
    ramped = [ill - well for well, ill in series(twins, machine, "bias,by=3,ramp=30")]
    assert ramped[15] == pytest.approx(1.5, abs=1e-4)
    assert ramped[30:] == pytest.approx([3.0] * 30, abs=1e-4)


def test_spikes_are_few_both_ways_and_of_one_size(twins, machine):
    errors = [ill - well for well, ill in series(twins, machine, "spikes,by=20,share=0.4")]
    struck = [round(error, 3) for error in errors if abs(error) > 1e-3]
    assert set(struck) == {-20.0, 20.0}
    assert 10 < len(struck) < 40


def test_dropout_gives_nothing_or_by_share_something(twins, machine):
    assert {ill for _, ill in series(twins, machine, "dropout")} == {None}
    some = series(twins, machine, "dropout,share=0.5")
    gone = [ill for _, ill in some if ill is None]
    assert 15 < len(gone) < 45
    assert all(ill in {None, well} for well, ill in some)


def test_noise_has_its_deviation_and_is_bounded(twins, machine):
    errors = [ill - well for well, ill in series(twins, machine, "noise,by=2")]
    assert max(map(abs, errors)) <= 2 * 2 * math.sqrt(3) + 1e-3
    deviation = math.sqrt(sum(error * error for error in errors) / len(errors))
    assert 1.4 < deviation < 2.6
    assert abs(sum(errors) / len(errors)) < 1.0


def test_a_sensor_gives_nothing_beyond_its_range(twins, machine):
    for fault, limit in (("bias,by=1e9", 120.0), ("bias,by=-500", 0.0)):
        text = fault if "e9" not in fault else "bias,by=900000000"
        assert {ill for _, ill in series(twins, machine, text)} == {limit}


def test_faults_of_one_metric_add_up_in_the_order_in_which_they_begin(twins, machine):
    both = ["bias:mill-01/power@20+40,by=1", "stuck:mill-01/power@30+10"]
    found = twins(machine("mill"), *both, seconds=61)
    assert {ill["power"] for second, _, ill in found if 30 <= second < 40} == {
        found[29][2]["power"]
    }
    assert found[45][2]["power"] == pytest.approx(found[45][1]["power"] + 1, abs=1e-4)


def test_a_pattern_befalls_every_metric_that_it_names(scans, machine):
    told = [
        content
        for _, told, _ in scans(machine("mill"), "noise:mill-*/vibration_*@5+5", seconds=9)
        for kind, content in told
        if kind == "event"
    ]
    assert [content["metric"] for content in told] == [
        "vibration_bpfo", "vibration_bpfi", "vibration_bsf", "vibration_ftf",
    ]  # fmt: skip
