"""Several collectors under one anchor: by topic, by shared subscription, and one that dies."""

import pytest
from survival_line import hold, publish, until

from simulator.plant import build_plant

pytestmark = pytest.mark.e2e

# s; every second resend goes to the one that is dead, and the wait doubles each time.
AGAIN = 0.1


def counts(line):
    return [count for (count,) in line.query("select count(*) from claims")]


def sharing(line, *more):
    east, west = (line.collector(name, "--share", "floor", *more) for name in ("east", "west"))
    east.start()
    west.start()
    return east, west


def test_collectors_with_an_area_each_have_one_anchor(lay):
    line = lay()
    areas = {machine.topic.area for machine in build_plant(8, 1)}
    topics = [f"example-works/north/{area}/#" for area in sorted(areas)]
    east = line.collector("east", "--topic", topics[0])
    west = line.collector("west", *(word for topic in topics[1:] for word in ("--topic", topic)))
    anchor = line.anchor()
    for program in (east, west, anchor):
        program.start()
    machines = line.machines(8, "--duration", 2)
    machines.start()
    machines.wait()
    for program in (east, west, anchor):
        program.stop()

    found = line.sum(machines.results())
    hold(found, "two collectors, an area each")
    assert found.copies == 0
    assert min(counts(line)) > 0
    assert len(line.query("select id from collectors")) == 2


def test_one_of_two_that_share_killed_for_good_loses_nothing(lay):
    line = lay(resend_after=AGAIN)
    east, west = sharing(line)
    machines = line.machines(6)
    machines.start()
    until(lambda: len(counts(line)) == 2 and min(counts(line)) > 100, "both have taken some")

    west.kill()
    stood = counts(line)
    until(lambda: counts(line)[0] > stood[0] + 200, "the other goes on")
    machines.stop()
    east.stop()

    found = line.sum(machines.results())
    hold(found, "one of two that share killed for good")
    assert counts(line)[1] == stood[1]
    # What the broker went on to give to the dead one came again by the outboxes alone.
    assert found.resent > 100


def test_what_is_stranded_at_a_dead_one_comes_when_it_returns(lay):
    line = lay(resend_after=AGAIN)
    topics = ["--topic", "foreign/#", "--topic", "example-works/#"]
    east, west = sharing(line, *topics)
    machines = line.machines(4)
    machines.start()
    until(lambda: len(counts(line)) == 2 and min(counts(line)) > 50, "both have taken some")

    west.kill()
    # Without an outbox: only what the broker keeps for the dead one brings them.
    sent = [(f"foreign/{n % 3}", b"%d" % n) for n in range(60)]
    publish(line.broker.address, sent)
    until(line.foreign, "east has taken some")
    machines.stop()
    assert len(line.foreign()) < len(sent)
    west.start()
    until(lambda: len(line.foreign()) == len(sent), "west has taken the others")
    west.stop()
    east.stop()

    hold(line.sum(machines.results()), "one of two that share killed, and back")
    assert line.foreign() == sorted(payload for _, payload in sent)
