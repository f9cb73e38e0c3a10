"""When to ping and when to give up, on a clock of the test's own; delays between tries."""

import itertools

import mqtt5
from hypothesis import given
from hypothesis import strategies as st

from telemetry.backoff import Backoff
from telemetry.keep_alive import KeepAlive
from telemetry.mqtt_events import Closed
from telemetry.mqtt_packets import Opening
from telemetry.mqtt_session import MqttSession


def session(keep_alive=20, **offer):
    one = MqttSession(Opening(client_id="c", keep_alive=keep_alive), epoch=1, now=0.0)
    one.receive(mqtt5.ConnAckPacket(**offer).write(), 0.0)
    one.outgoing(0.0)
    one.events()
    return one


PING = mqtt5.PingReqPacket().write()
PONG = mqtt5.PingRespPacket().write()


def test_a_silent_connection_is_pinged_before_keep_alive_is_over():
    one = session()
    assert one.beat(0.0) == 15.0
    assert one.beat(15.0) == 10.0
    assert one.outgoing(15.0) == PING
    one.receive(PONG, 15.1)
    assert one.beat(25.0) == 5.0  # 15 s after what was said last
    assert one.outgoing(25.0) == b""


def test_a_broker_that_does_not_answer_is_gone():
    one = session()
    one.beat(15.0)
    one.outgoing(15.0)
    assert one.beat(24.9) is not None
    assert one.beat(25.0) is None
    (closed,) = one.events()
    assert isinstance(closed, Closed)
    assert "PINGREQ" in closed.reason


def test_speaking_alone_does_not_prove_that_the_broker_lives():
    alive = KeepAlive(20, heard=0.0, said=0.0)
    alive.said = 14.9
    assert alive.judge(15.0) == "ping"
    alive.said = 24.9
    assert alive.judge(25.0) == "gone"


def test_hearing_alone_does_not_keep_the_connection():
    alive = KeepAlive(20, heard=0.0, said=0.0)
    alive.heard = 14.9
    assert alive.judge(15.0) == "ping"


def test_any_packet_answers_a_ping():
    alive = KeepAlive(20, heard=0.0, said=0.0)
    assert alive.judge(15.0) == "ping"
    alive.said, alive.heard = 15.0, 15.5
    assert alive.judge(25.0) == "fine"


def test_the_brokers_own_keep_alive_counts():
    one = session(keep_alive=20, server_keep_alive=4)
    assert one.beat(0.0) == 3.0


def test_zero_watches_nothing():
    assert session(keep_alive=0).beat(1e9) is None


def test_who_does_not_read_does_not_blame_the_broker():
    one = session()
    one.beat(15.0)
    one.outgoing(15.0)
    assert one.beat(30.0, listening=False) is not None
    assert one.events() == []


@given(st.floats(1, 600), st.lists(st.floats(0, 100), max_size=20))
def test_the_next_look_is_never_late(interval, steps):
    alive, now = KeepAlive(interval, heard=0.0, said=0.0), 0.0
    for step in steps:
        now += step
        verdict = alive.judge(now)
        if verdict == "gone":
            break
        if verdict == "ping":
            alive.said = now
        wait = alive.next(now)
        assert 0 < wait <= interval + 0.02
        # Nobody speaks: whoever looks exactly then never finds us over the interval.
        assert now + wait - alive.said <= max(interval, step + interval) + 0.02


@given(st.floats(0, 1))
def test_delays_grow_to_a_limit_and_keep_to_their_range(chance):
    backoff = Backoff(first=0.5, limit=4.0, factor=2.0, chance=lambda: chance)
    delays = list(itertools.islice(backoff.delays(), 6))
    for delay, whole in zip(delays, [0.5, 1, 2, 4, 4, 4], strict=True):
        assert whole / 2 <= delay <= whole
        assert delay == whole * (0.5 + 0.5 * chance)
