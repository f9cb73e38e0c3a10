"""Bearing frequencies against published ones; bands against the spectrum that they sum up."""

import math
from statistics import fmean

import pytest

from simulator.chance import Chance
from simulator.machines import KINDS, bearing
from simulator.machines.bearing import Bands, Bearing, Mounted

# Multiples of the shaft's speed as the Case Western Reserve University Bearing Data Center
# publishes them for its two bearings; it gives twice the ball's spin, as a ball strikes both
# races in a turn.
CWRU = {
    "6205-2RS JEM SKF": (Bearing(9, 7.94, 39.04), Bands(3.5848, 5.4152, 4.7135 / 2, 0.39828)),
    "6203-2RS JEM SKF": (Bearing(8, 6.7462, 28.4988), Bands(3.0530, 4.9469, 3.9874 / 2, 0.3817)),
}


@pytest.mark.parametrize("name", CWRU)
def test_orders_as_published_for_the_bearings_of_a_known_data_set(name):
    geometry, published = CWRU[name]
    assert geometry.orders == pytest.approx(published, rel=5e-4)


def test_orders_at_a_contact_angle_against_published_frequencies():
    """Rexnord ZA-2115 at 2000 1/min, as given with the IMS data set: 236, 297, 139.9, 14.8 Hz."""
    orders = Bearing(16, 8.407, 71.501, 15.17).orders
    hertz = [order * 2000 / 60 for order in orders]
    assert hertz == pytest.approx([236.4, 296.9, 139.9, 14.77], rel=2e-3)


@pytest.mark.parametrize("elements", [7, 8, 16])
def test_races_share_the_elements(elements):
    """Outer and inner frequency add to the elements that pass in a turn: n."""
    orders = Bearing(elements, 9.0, 50.0, 12.0).orders
    assert orders.outer + orders.inner == pytest.approx(elements)
    assert orders.cage < 0.5 < orders.ball < orders.outer < orders.inner


MOUNTED = Mounted(Bearing(9, 7.94, 39.04), speed=1500.0, severity=2.0)


def test_the_outer_band_at_full_wear_and_speed_is_the_severity():
    assert MOUNTED.bands(1.0, 1.0).outer == 2.0


def test_bands_grow_with_speed_to_the_power_of_one_and_a_half():
    whole, half = MOUNTED.bands(1.0, 0.6), MOUNTED.bands(0.5, 0.6)
    for band in range(4):
        assert half[band] == pytest.approx(whole[band] * 0.5**1.5)


def test_spalling_spreads_from_the_outer_race():
    """In what it has at full wear: the outer race leads, the cage comes last."""
    early, late = MOUNTED.bands(1.0, 0.2), MOUNTED.bands(1.0, 1.0)
    shares = [early[band] / late[band] for band in range(4)]
    assert shares == pytest.approx([0.2, 0.04, 0.04, 0.008])


@pytest.mark.parametrize("turning", [0.4, 1.0])
def test_harmonics_stand_at_multiples_and_sum_up_to_their_band(turning):
    bands = MOUNTED.bands(turning, 0.7)
    hertz = turning * 1500.0 / 60.0
    for name, lines in MOUNTED.lines(turning, 0.7).items():
        base = getattr(MOUNTED.bearing.orders, name) * hertz
        assert [line.frequency for line in lines] == pytest.approx([base, 2 * base, 3 * base])
        assert lines[0].rms == pytest.approx(2 * lines[1].rms)
        total = math.sqrt(sum(line.rms**2 for line in lines))
        assert total == pytest.approx(getattr(bands, name))


def test_a_signal_made_of_the_lines_has_them_where_the_formulas_say():
    """Four seconds of it, sampled: Goertzel's sum at each line, and the whole by Parseval."""
    rate, seconds = 2000, 4.0
    spectrum = MOUNTED.lines(1.0, 0.8)
    lines = [line for found in spectrum.values() for line in found]
    times = [n / rate for n in range(int(rate * seconds))]
    signal = [
        sum(math.sqrt(2) * line.rms * math.sin(2 * math.pi * line.frequency * t) for line in lines)
        for t in times
    ]
    for line in spectrum["outer"]:
        angle = 2 * math.pi * line.frequency
        real = fmean(x * math.cos(angle * t) for x, t in zip(signal, times, strict=True))
        imaginary = fmean(x * math.sin(angle * t) for x, t in zip(signal, times, strict=True))
        assert math.sqrt(2) * math.hypot(real, imaginary) == pytest.approx(line.rms, rel=0.05)
    rms = math.sqrt(fmean(x * x for x in signal))
    bands = MOUNTED.bands(1.0, 0.8)
    assert rms == pytest.approx(math.sqrt(sum(band**2 for band in bands)), rel=0.02)


def test_the_whole_is_the_bands_and_the_rest_by_squares():
    rng = Chance(3)
    means = {name: [] for name in bearing.METRICS}
    for _ in range(2000):
        for name, value in MOUNTED.readings(0.9, 0.8, 0.7, rng).items():
            means[name].append(value)
    overall, *bands = (fmean(values) for values in means.values())
    assert overall == pytest.approx(math.sqrt(0.8**2 + sum(b * b for b in bands)), rel=0.01)


def test_what_stands_does_not_shake():
    assert set(MOUNTED.readings(0.0, 0.0, 1.0, Chance(0)).values()) == {0.0}


@pytest.mark.parametrize("kind", [k for k in KINDS.values() if "vibration" in k.metrics])
def test_every_machine_that_turns_publishes_all_bands(kind):
    assert {name: kind.metrics[name] for name in bearing.METRICS} == bearing.METRICS
