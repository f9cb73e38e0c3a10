"""Network faults: when, how often and with which time messages arrive; never whether or what."""

from hypothesis import given
from hypothesis import strategies as st

from simulator.chance import Chance
from simulator.faults.channel import Channel
from simulator.faults.fault import FAIR, Weather
from simulator.offline import START
from telemetry.message import parse

FAULT, END = 10, 40


def arrivals(found, device="mill-01"):
    """(second received, second stamped, seq, kind) of the machine's signed messages."""
    told = []
    for line, judged in found.lines:
        kind = line.topic.rsplit("/", 1)[1]
        if kind == "death" or judged.device != device:
            continue
        assert judged.status == "accepted"
        stamped = parse(line.payload, kind).time
        told.append(((line.received - START) / 1e6, (stamped - START) / 1e6, judged.seq, kind))
    return told


def deaths(found):
    return [
        (line.received - START) / 1e6 for line, _ in found.lines if line.topic.endswith("/death")
    ]


def whole(found, told):
    """Every number is there, and the tally says so."""
    assert {seq for _, _, seq, _ in told} == set(range(found.tally.recorded))
    assert found.tally.held == 0
    return told


def on_time(told):
    return [one for one in told if one[0] == one[1]]


def test_offline_holds_everything_back_until_it_ends(recorded):
    found = recorded(f"offline:mill-01@{FAULT}+{END - FAULT}")
    told = whole(found, arrivals(found))
    assert not [one for one in told if FAULT <= one[0] < END]
    assert {one[0] for one in told if FAULT <= one[1] < END} == {END}
    assert all(received == stamped for received, stamped, *_ in told if not FAULT <= stamped < END)
    assert [seq for *_, seq, _ in told] == sorted(seq for *_, seq, _ in told)
    assert deaths(found) == [FAULT]


def test_offline_to_the_end_is_held(recorded):
    found = recorded("offline:mill-01@50+100")
    assert found.tally.held == found.tally.recorded - len(arrivals(found)) > 9


def test_flapping_is_gone_for_the_first_half_of_every_period(recorded):
    found = recorded(f"flapping:mill-01@{FAULT}+{END - FAULT},every=10")
    told = whole(found, arrivals(found))
    gone = {second for start in (10, 20, 30) for second in range(start, start + 5)}
    assert not {received for received, *_ in told} & gone
    assert {stamped for received, stamped, *_ in told if received != stamped} == gone
    assert deaths(found) == [10, 20, 30]


def test_slow_adds_its_delay_and_keeps_the_order(recorded):
    found = recorded(f"slow:mill-01@{FAULT}+{END - FAULT},delay=3")
    told = whole(found, arrivals(found))
    for received, stamped, *_ in told:
        assert received - stamped == (3 if FAULT <= stamped < END else 0)
    assert not deaths(found)


def test_duplicates_come_twice_with_the_same_bytes(recorded):
    found = recorded(f"duplicates:mill-01@{FAULT}+{END - FAULT}")
    told = whole(found, arrivals(found))
    payloads = [line.payload for line, _ in found.lines]
    twice = len(payloads) - len(set(payloads))
    assert 5 < twice < 30
    for seq in range(found.tally.recorded):
        copies = [one for one in told if one[2] == seq]
        assert len(copies) <= 2
        if len(copies) == 2:
            assert FAULT <= copies[0][1] < END
            assert 0 <= copies[1][0] - copies[0][0] <= 3


def test_reordering_lets_later_ones_overtake_and_loses_none(recorded):
    found = recorded(f"reordering:mill-01@{FAULT}+{END - FAULT}")
    told = whole(found, arrivals(found))
    order = [seq for *_, seq, _ in told]
    assert len(order) == len(set(order))
    assert order != sorted(order)
    for received, stamped, *_ in told:
        assert 0 <= received - stamped <= (6 if FAULT <= stamped < END else 0)


def test_a_reconnect_storm_cuts_everyone_at_once(recorded, machine):
    both = [machine("mill", 1), machine("mill", 2)]
    found = recorded("reconnect-storm:mill-*@10+20,every=5", machines=both)
    assert deaths(found) == [10, 10, 15, 15, 20, 20, 25, 25]
    for one in both:
        assert all(received == stamped for received, stamped, *_ in arrivals(found, one.name))


def test_a_skewed_clock_goes_away_and_is_set_right(recorded):
    found = recorded(f"clock-skew:mill-01@{FAULT}+{END - FAULT},ppm=-100000")
    for received, stamped, *_ in whole(found, arrivals(found)):
        error = -0.1 * (received - FAULT) if FAULT <= received < END else 0
        assert abs(stamped - received - error) < 1e-6


def test_a_clock_that_jumps_is_wrong_by_so_much_until_it_jumps_back(recorded):
    found = recorded(f"clock-jump:mill-01@{FAULT}+{END - FAULT},by=-7200")
    for received, stamped, *_ in whole(found, arrivals(found)):
        assert stamped - received == (-7200 if FAULT <= received < END else 0)


WEATHERS = st.builds(
    Weather,
    closed=st.booleans(),
    delay=st.sampled_from([0.0, 0.5, 3.0]),
    scatter=st.sampled_from([0.0, 2.0]),
    doubled=st.sampled_from([0.0, 0.5, 1.0]),
    withheld=st.sampled_from([0.0, 0.5]),
)


@given(st.lists(st.tuples(WEATHERS, st.integers(0, 4)), max_size=30), st.integers(0, 2**32))
def test_a_channel_loses_nothing_but_what_it_withholds_and_invents_nothing(days, seed):
    channel, given_, out, now = Channel(Chance(seed)), [], [], 0.0
    for weather, count in days:
        channel.weather = weather
        new = list(range(len(given_), len(given_) + count))
        given_ += new
        channel.offer([(one, True, one) for one in new], now)
        channel.offer([(one, True, one) for one in new[:1]], now)  # a resend
        came = channel.due(now)
        assert not (weather.closed and came)
        out += came
        now += 1.0
    channel.weather = FAIR
    out += channel.due(now + 100)
    assert len(channel) == 0
    assert len(given_) - len(set(out)) == channel.withheld
    assert set(out) <= set(given_)


def test_without_faults_a_channel_is_a_pipe():
    channel = Channel(Chance(1))
    channel.offer([(n, True, n) for n in range(5)], 3.0)
    assert channel.next_due == 3.0
    assert channel.due(3.0) == [0, 1, 2, 3, 4]
    assert channel.next_due is None
