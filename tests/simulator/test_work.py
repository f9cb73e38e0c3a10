"""Machines at work: parts conserved, starvation by the clock, orders, modes, OEE."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.chance import Chance
from simulator.machine import Machine, start_plant
from simulator.machines.kind import Mode
from simulator.packml import DONE, TRANSITIONS, State, UnitMode
from simulator.work.effectiveness import Effectiveness
from simulator.work.flow import Flow
from simulator.work.job import Break, Job, Line, Order, Pace, Shift, Upkeep
from simulator.work.making import Influence
from simulator.work.worker import Worker
from telemetry.topic import MachineTopic

LEGAL = {(at, after) for (at, _), after in TRANSITIONS.items()} | set(DONE.items())
CALM = Upkeep(between_stops=0)
BEGIN = 1_767_592_800_000  # 2026-01-05T06:00:00Z, a Monday, in ms
HOUR = 3_600_000


class Row:
    """A line of workers that make their beats in an order that the test chooses."""

    def __init__(self, paces, buffers, orders=(), upkeep=CALM, shifts=(), seed=1):
        names = tuple(f"m{number}" for number in range(len(paces)))
        self.line = Line("line", names, tuple(buffers), tuple(orders))
        self.flow = Flow(self.line, BEGIN)
        self.workers = [
            Worker(
                Job(self.line, place, pace, upkeep, shifts), self.flow, Chance(100 * seed + place)
            )
            for place, pace in enumerate(paces)
        ]
        self.second = 0
        self.events = []
        self.states = [[State.STOPPED] for _ in paces]
        self.causes = [[] for _ in paces]

    def beat(self, dt=1.0, order=None, wear=0.0):
        for place in order or range(len(self.workers)):
            told = self.workers[place].step(dt, BEGIN + round(self.second * 1000), wear)
            for kind, content in told:
                if kind == "event":
                    self.events.append((self.second, place, content))
                else:
                    self.states[place].append(State(content["number"]))
                    self.causes[place].append((self.second, content))
        self.second += dt

    def run(self, beats, **how):
        for _ in range(beats):
            self.beat(**how)
        self.flow.open(10**9)  # what the last beat did is seen

    def named(self, name):
        return [(at, place, event) for at, place, event in self.events if event["name"] == name]

    def when(self, place, state, cause=None):
        """The seconds at which it entered a state, for this cause."""
        return [
            second
            for second, content in self.causes[place]
            if content["number"] == state and (cause is None or content.get("cause") == cause)
        ]


def steady(cycle, scrap=0.0):
    """A pace without chance: full speed, so many ms a part."""
    return Pace(cycle, (1.0, 1.0), scrap, 0.0)


paces = st.builds(
    Pace,
    st.integers(200, 20_000),
    st.tuples(st.floats(0.3, 0.6), st.floats(0.6, 1.0)),
    st.floats(0, 0.5),
    st.floats(0, 0.5),
)
rows = st.integers(1, 4).flatmap(
    lambda length: st.tuples(
        st.lists(paces, min_size=length, max_size=length),
        st.lists(st.integers(1, 30), min_size=length - 1, max_size=length - 1),
    )
)
order_books = st.lists(
    st.builds(Order, st.just("po"), st.just("p"), st.integers(1, 40), repeat=st.integers(1, 3)),
    max_size=3,
)
upkeeps = st.builds(
    Upkeep,
    st.sampled_from([0, 20_000, 300_000]),
    st.integers(1, 30_000),
    st.sampled_from([0.0, 0.5]),
    st.sampled_from([0, 120_000]),
    st.integers(1, 60_000),
    st.sampled_from([0, 15_000]),
)


@settings(max_examples=60, deadline=None)
@given(rows, order_books, upkeeps, st.integers(0, 9), st.sampled_from([0.5, 1.0, 17.0]), st.data())
def test_no_part_appears_or_goes_on_its_way(row, orders, upkeep, seed, dt, data):
    """What a machine took is what the one before it made, less what waits between them."""
    line = Row(*row, orders, upkeep, seed=seed)
    places = list(range(len(line.workers)))
    order = data.draw(st.permutations(places))
    wanted = sum(order.quantity * order.repeat for order in orders)
    for _ in range(300):
        line.beat(dt, order, wear=0.3)
    line.flow.open(10**9)
    made = [(worker.made.good, worker.made.scrap) for worker in line.workers]
    for place, (level, room) in enumerate(zip(line.flow.levels, line.line.buffers, strict=True)):
        assert 0 <= level <= room
        assert made[place][0] == sum(made[place + 1]) + level
    if orders:
        assert made[-1][0] <= wanted
    for told in line.states:
        states = [state for state, _ in itertools.groupby(told)]  # a mode's change tells again
        assert set(itertools.pairwise(states)) <= LEGAL
    for worker in line.workers:
        ratios = worker.made.ratios
        assert all(0.0 <= ratio <= 1.0 for ratio in ratios)
        assert ratios.oee <= min(ratios[:3]) + 1e-4


@settings(max_examples=20, deadline=None)
@given(rows, order_books, upkeeps, st.integers(0, 9), st.data())
def test_the_order_in_which_machines_are_asked_changes_nothing(row, orders, upkeep, seed, data):
    one, other = (Row(*row, orders, upkeep, seed=seed) for _ in range(2))
    places = list(range(len(one.workers)))
    for _ in range(200):
        one.beat()
        other.beat(order=data.draw(st.permutations(places)))
    for first, second in zip(one.workers, other.workers, strict=True):
        assert first.readings() == second.readings()
    assert one.states == other.states


@pytest.mark.parametrize(("level", "cycle"), [(10, 2000), (40, 500), (25, 4000), (6, 10_000)])
def test_an_upstream_stop_starves_the_next_machine_after_buffer_times_cycle(level, cycle):
    """The buffer holds `level` parts, each lasts a cycle: so long it goes on."""
    line = Row([steady(cycle // 2), steady(cycle)], [level])
    while not line.when(0, State.SUSPENDING, "blocked") and line.second < 3600:
        line.beat()  # the faster machine before it fills the buffer
    stopped = line.second
    line.flow.open(10**9)
    waiting = line.flow.levels[0]
    assert waiting >= level - max(2, 2 * 1000 / cycle)
    line.workers[0].influence = Influence(halt="jam")
    line.run(level * cycle // 1000 + 60)
    starved = line.when(1, State.SUSPENDING, "starved")[-1]
    assert starved - stopped == pytest.approx(waiting * cycle / 1000, abs=cycle / 1000 + 1)
    assert line.workers[0].state is State.ABORTED


@pytest.mark.parametrize(("room", "cycle"), [(10, 2000), (30, 1000)])
def test_a_downstream_stop_blocks_the_machine_before_it_once_the_buffer_is_full(room, cycle):
    line = Row([steady(cycle), steady(cycle // 4)], [room])
    line.run(60)
    stopped = line.second
    line.workers[1].influence = Influence(halt="jam")
    level = line.flow.levels[0]
    line.run(room * cycle // 1000 + 60)
    blocked = line.when(0, State.SUSPENDING, "blocked")[-1]
    assert blocked - stopped == pytest.approx((room - level) * cycle / 1000, abs=cycle / 1000 + 5)
    assert line.workers[0].state is State.SUSPENDED


def test_starvation_goes_down_the_line_one_buffer_after_the_other():
    line = Row([steady(500), steady(900), steady(1000), steady(1100)], [30, 30, 30])
    line.run(1500)
    line.workers[0].influence = Influence(halt="jam")
    line.run(300)
    starved = [line.when(place, State.SUSPENDING, "starved")[-1] for place in (1, 2, 3)]
    assert starved == sorted(starved)
    for earlier, later in itertools.pairwise(starved):
        assert 15 <= later - earlier <= 45
    freed = line.second
    line.workers[0].influence = Influence()
    line.run(900)
    assert all(worker.state is not State.ABORTED for worker in line.workers)
    resumed = [
        next(at for at in line.when(place, State.UNSUSPENDING) if at > freed) for place in (1, 2, 3)
    ]
    assert resumed == sorted(resumed)


def test_an_order_is_made_to_the_last_good_part_and_then_the_next():
    orders = [Order("a", "bracket", 25, due=1_000), Order("b", "plate", 10, due=HOUR, repeat=2)]
    line = Row([steady(1000, 0.3), steady(800, 0.2)], [5], orders)
    line.run(900)
    started = [(at, event["order"]) for at, _, event in line.named("order-started")]
    finished = [(at, event["order"]) for at, _, event in line.named("order-finished")]
    assert [order for _, order in started] == ["a", "b-1", "b-2"]
    assert [order for _, order in finished] == ["a", "b-1", "b-2"]
    for (begun, _), (ended, _) in zip(started, finished, strict=True):
        assert begun < ended
    assert line.workers[1].made.good == 45
    first = line.named("order-finished")[0]
    assert first[1:] == (1, first[2])
    assert first[2] | {"late_seconds": 0} == {
        "name": "order-finished", "line": "line", "order": "a", "product": "bracket",
        "quantity": 25, "due": "2026-01-05T06:00:01.000000Z", "late_seconds": 0,
    }  # fmt: skip
    assert first[2]["late_seconds"] == int(first[0] - 1)
    assert line.flow.levels == [0]
    assert all(worker.state is State.COMPLETED for worker in line.workers)


def test_a_changeover_lies_between_two_orders():
    orders = [Order("a", "p", 5, repeat=2)]
    times = []
    for changeover in (0, 120_000):
        line = Row([steady(1000)], [], orders, replace(CALM, changeover=changeover))
        line.run(400)
        times.append(line.named("order-started")[1][0] - line.named("order-finished")[0][0])
    assert times[1] - times[0] == pytest.approx(120, abs=4)


DAY = Shift("day", 6 * HOUR, 8 * HOUR, (0,), (Break(7 * HOUR, 600_000),))


def test_shifts_and_breaks_stop_and_hold_the_machine():
    line = Row([steady(2000)], [], shifts=(DAY,))
    line.run(3 * 3600)
    told = [(at, event["name"]) for at, _, event in line.events]
    assert told == [
        (0, "shift-started"), (3600, "break-started"), (4200, "break-ended"), (7200, "shift-ended"),
    ]  # fmt: skip
    assert line.when(0, State.HOLDING, "break") == [3600]
    assert 4200 in line.when(0, State.UNHOLDING)
    assert line.when(0, State.STOPPING, "off-shift") == [7200]
    assert line.workers[0].state is State.STOPPED
    assert line.workers[0].drive.mode is Mode.OFF
    ended = line.named("shift-ended")[0][2]
    assert ended["good"] == line.workers[0].made.good
    assert ended["scrap"] == 0
    # 6600 s were planned: a shift of two hours without its break of ten minutes.
    assert ended["oee"] == pytest.approx(ended["good"] * 2.0 / 6600, abs=1e-3)


def test_breaks_and_service_are_no_loss_but_stops_are():
    calm = Row([steady(2000)], [], shifts=(DAY,))
    served = Row([steady(2000)], [], (), replace(CALM, service_after=1_800_000), (DAY,))
    stopping = Row([steady(2000)], [], (), replace(CALM, between_stops=120_000), (DAY,))
    for line in (calm, served, stopping):
        line.run(7100)
    assert calm.workers[0].made.ratios.availability > 0.99
    assert served.workers[0].made.ratios.availability > 0.98
    assert stopping.workers[0].made.ratios.availability < 0.8


def test_service_is_done_in_maintenance_mode_and_breakdowns_end_in_manual():
    upkeep = Upkeep(60_000, 5_000, 1.0, 600_000, 300_000)
    line = Row([steady(1000)], [], (), upkeep)
    worker, serviced = line.workers[0], []
    for _ in range(3000):
        line.beat()
        serviced += [line.second] * worker.serviced
    changes = [(event["from"], event["to"]) for _, _, event in line.named("mode-changed")]
    assert set(changes) == {
        ("Production", "Maintenance"), ("Maintenance", "Production"),
        ("Production", "Manual"), ("Manual", "Production"),
    }  # fmt: skip
    into = [at for at, _, event in line.named("mode-changed") if event["to"] == "Maintenance"]
    assert serviced[0] - into[0] == pytest.approx(300, abs=2)
    for _, content in line.causes[0]:
        mode = UnitMode(content["mode_number"])
        assert content["mode"] == mode.title
        if mode is not UnitMode.PRODUCTION:
            assert content["number"] == State.STOPPED
    assert line.when(0, State.ABORTING, "breakdown")


@pytest.mark.parametrize(("scrap", "worn", "wear"), [(0.02, 0.1, 0.0), (0.02, 0.1, 1.0)])
def test_scrap_grows_with_wear(scrap, worn, wear):
    line = Row([Pace(100, (1.0, 1.0), scrap, worn)], [])
    line.run(2000, wear=wear)
    made = line.workers[0].made
    assert made.scrap / (made.good + made.scrap) == pytest.approx(scrap + worn * wear, abs=0.01)


def test_a_fault_slows_the_machine_and_spoils_its_parts():
    line = Row([steady(1000)], [])
    line.workers[0].influence = Influence(speed=0.5, scrap=0.4)
    line.run(2000)
    made = line.workers[0].made
    assert made.good + made.scrap == pytest.approx(1000, rel=0.02)
    assert made.ratios.performance == pytest.approx(0.5, abs=0.01)
    assert made.ratios.quality == pytest.approx(0.6, abs=0.05)


def test_effectiveness_against_numbers_worked_by_hand():
    # Nakajima's example: loading time 460 min, down 60 min, ideal cycle 0.5 min, 400 made,
    # 2 % scrap: 0.87 x 0.50 x 0.98 = 0.426
    counted = Effectiveness(30_000)
    counted.planned, counted.running = 460 * 60_000, 400 * 60_000
    counted.made, counted.good = 400, 392
    assert counted.ratios() == pytest.approx((0.8696, 0.5, 0.98, 0.4261), abs=1e-4)
    assert Effectiveness(1000).ratios() == (0, 0, 0, 0)


def machine(name, kind, job):
    topic = MachineTopic("", "works", "site", "area", "line", name, "telemetry")
    return Machine(topic, kind, 3, job)


def test_birth_declares_what_a_job_adds_and_readings_stay_within():
    line = Line("line", ("a", "b"), (4,))
    plant = [
        machine("a", "mill", Job(line, 0, steady(2000))),
        machine("b", "lathe", Job(line, 1, steady(2500))),
        machine("c", "chiller", Job(Line("c", ("c",)), 0, Pace(0))),
    ]
    added = [set(m.metrics) - set(Machine(m.topic, m.kind, 3).metrics) for m in plant]
    parts = {"parts_good", "parts_scrap", "availability", "performance", "quality", "oee"}
    assert added == [
        {"unit_mode", "outlet_level"} | parts, {"unit_mode", "inlet_level"} | parts, {"unit_mode"},
    ]  # fmt: skip
    for running in start_plant(plant, BEGIN * 1000):
        birth = running.machine.birth(bytes(32))
        for second in range(900):
            scan = running.step(1.0, BEGIN * 1000 + second * 1_000_000)
            assert list(scan.readings) == list(birth["metrics"])
            for name, value in scan.readings.items():
                assert birth["metrics"][name]["low"] <= value <= birth["metrics"][name]["high"]


def test_maintenance_makes_a_machine_as_good_as_new():
    job = Job(
        Line("a", ("a",)), 0, steady(2000), replace(CALM, service_after=60_000, service=9_000)
    )
    (running,) = start_plant([machine("a", "mill", job)], BEGIN * 1000)
    wear = []
    for second in range(200):
        scan = running.step(1.0, BEGIN * 1000 + second * 1_000_000)
        wear.append(scan.readings["tool_wear"])
    assert min(wear) == 0.0 < wear[0]
