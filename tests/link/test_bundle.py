"""Many clients of one broker: connected at a pace, kept up, made again; scripted and real."""

import asyncio
import ssl
import sys
import time
from contextlib import asynccontextmanager

import mqtt5
import pytest
from scripted_broker import deaf, good, refuse, scripted

from factoryledger.broker import LocalBroker
from telemetry.address import NOBODY, Address, Credentials
from telemetry.backoff import Backoff
from telemetry.bundle import Bundle
from telemetry.errors import BrokerUnavailable, LinkLost, SessionTakenOver
from telemetry.link import Link, Subscription
from telemetry.mqtt_packets import Opening
from telemetry.mqtt_wire import Ear, MqttWire

QUICK = Backoff(first=0.02, limit=0.2)
LOOPS = [asyncio.new_event_loop]
if sys.implementation.name == "cpython":
    import uvloop

    LOOPS.append(uvloop.new_event_loop)


@pytest.fixture(params=LOOPS, ids=lambda make: make.__module__.split(".")[0])
def run(request):
    """Runs on the loop of asyncio and on that of uvloop."""

    def run_(main, seconds=60):
        async def bounded():
            async with asyncio.timeout(seconds):
                return await main()

        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(bounded())

    return run_


class Listener:
    """An ear that remembers; acknowledges at once."""

    def __init__(self):
        self.strand = None
        self.heard, self.codes, self.epochs, self.ticks = [], [], [], 0

    def ready(self):
        self.epochs.append(self.strand.epoch)

    def take(self, arrivals):
        self.heard += [one.payload for one in arrivals]
        self.strand.acknowledge(arrivals)

    def settled(self, token, code):
        self.codes.append((token, code))

    def tick(self, now):
        self.ticks += 1


def bundle_of(address, names, topics=(), credentials=NOBODY, **how):
    said = []
    how = {"backoff": QUICK, "on_trouble": said.append, "look_every": 0.1} | how
    bundle, ears = Bundle(address, **how), []
    for name in names:
        ear = Listener()
        subscriptions = tuple(Subscription(topic.format(name)) for topic in topics)
        opening = Opening(
            client_id=name, subscriptions=subscriptions, clean_start=True, credentials=credentials
        )
        ear.strand = bundle.add(opening, ear)
        ears.append(ear)
    return bundle, ears, said


async def until(true):
    while not true():  # noqa: ASYNC110 - of several clients
        await asyncio.sleep(0.01)


def names_of(prefix, count):
    return [f"{prefix.replace('/', '-')}-{number}" for number in range(count)]


@pytest.mark.e2e
def test_each_hears_its_own_and_every_post_is_settled(run, broker, topic_prefix):
    names = names_of(topic_prefix, 150)

    async def main():
        bundle, ears, said = bundle_of(broker.address, names, [topic_prefix + "/{}"])
        async with bundle:
            assert bundle.counts.standing == bundle.counts.made == 150
            for number, ear in enumerate(ears):
                other = ears[(number + 1) % 150].strand.opening.client_id
                for turn in range(3):
                    ear.strand.post(f"{topic_prefix}/{other}", b"%d %d" % (number, turn), turn)
            await until(lambda: all(len(ear.heard) == len(ear.codes) == 3 for ear in ears))
            await until(lambda: all(ear.ticks for ear in ears))
        assert said == []
        return ears

    for number, ear in enumerate(run(main)):
        assert ear.heard == [b"%d %d" % ((number - 1) % 150, turn) for turn in range(3)]
        assert ear.codes == [(turn, 0) for turn in range(3)]
        assert ear.epochs == [1]
        assert not ear.strand.ready
        with pytest.raises(LinkLost):
            ear.strand.post("t", b"", "token")


@pytest.mark.e2e
def test_a_broker_that_is_killed_and_comes_back_gets_all_of_them_again(run, tmp_path):
    with LocalBroker(0, tmp_path, embedded=False) as own:

        async def main():
            bundle, ears, said = bundle_of(own.address, names_of("b", 120), ["t/{}"])
            async with bundle:
                for round_ in (1, 2):
                    own.kill()
                    await until(lambda: bundle.counts.standing == 0)
                    await asyncio.sleep(0.3)
                    await asyncio.to_thread(own.start)
                    await until(lambda: bundle.counts.standing == 120)
                    assert bundle.counts.lost == 120 * round_
                for ear in ears:
                    name = ear.strand.opening.client_id
                    ear.strand.post(f"t/{name}", name.encode(), name)
                await until(lambda: all(ear.heard for ear in ears))
            return ears, said, bundle.counts

        ears, said, counts = run(main)
        assert all(ear.epochs == [1, 2, 3] for ear in ears)
        assert counts.made == 360
        assert counts.failed > 0
        assert "120 connected" in said[0]
        assert str(own.address) in said[0]


@pytest.mark.e2e
def test_one_that_is_cut_and_held_stays_away_until_it_is_restored(run, broker, topic_prefix):
    async def main():
        bundle, (cut, stays), _ = bundle_of(broker.address, names_of(topic_prefix, 2))
        async with bundle:
            cut.strand.cut()
            await until(lambda: cut.epochs == [1, 2])
            cut.strand.cut(hold=True)
            await until(lambda: not cut.strand.ready)
            await asyncio.sleep(10 * QUICK.limit)
            assert cut.epochs == [1, 2]
            cut.strand.restore()
            await until(lambda: cut.epochs == [1, 2, 3])
            cut.strand.cut(hold=True)
        assert stays.epochs == [1]

    run(main)


def test_no_broker_is_said_with_the_address_at_once(run):
    async def main():
        bundle, _, _ = bundle_of(Address("127.0.0.1", 1), ["a", "b"])
        with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1 .*is it running"):
            async with bundle:
                raise AssertionError("entered")

    run(main)


def test_a_refusal_of_the_first_is_raised_and_of_others_counted_and_retried(run):
    async def main():
        async with scripted(refuse) as (address, _):
            bundle, _, _ = bundle_of(address, ["a", "b"])
            with pytest.raises(BrokerUnavailable, match="bad user name or password"):
                async with bundle:
                    raise AssertionError("entered")
        async with scripted(good, refuse, refuse, good) as (address, seen):
            bundle, ears, said = bundle_of(address, ["a", "b", "c"], at_once=1)
            async with bundle:
                assert bundle.counts.standing == 3
                assert bundle.counts.failed == bundle.counts.refused == 2
                assert len(seen) == 5
            assert "bad user name or password" in said[0]
            assert [ear.epochs for ear in ears] == [[1], [1], [1]]

    run(main)


def test_one_that_is_not_answered_does_not_hold_up_the_others(run):
    async def silent(peer):
        await peer.next()
        await asyncio.sleep(30)

    async def main():
        async with scripted(good, silent, good) as (address, _):
            bundle, ears, said = bundle_of(address, ["a", "b", "c"], connect_timeout=0.3)
            async with bundle:
                await until(lambda: bundle.counts.standing == 3)
            assert bundle.counts.failed == 1
            assert "0.3 s" in said[0]
            assert all(ear.epochs == [1] for ear in ears)

    run(main)


def test_a_silent_broker_is_gone_after_its_keep_alive(run):
    async def main():
        async with scripted(deaf, good) as (address, seen):
            ear = Listener()
            bundle = Bundle(address, backoff=QUICK, look_every=0.1, on_trouble=lambda _: None)
            ear.strand = bundle.add(Opening(client_id="a", keep_alive=1), ear)
            async with bundle:
                await until(lambda: ear.epochs == [1, 2])
            assert len(seen) == 2

    run(main)


def test_a_session_that_was_taken_over_ends_the_bundle(run):
    async def taken(peer):
        await peer.accept()
        peer.say(mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode(0x8E)))
        await asyncio.sleep(1)

    async def main():
        async with scripted(taken) as (address, _):
            bundle, _, _ = bundle_of(address, ["a"])
            async with bundle:
                with pytest.raises(SessionTakenOver, match="another client with this client id"):
                    await bundle.run()

    run(main)


def test_one_with_a_certificate_that_is_displaced_again_and_again_ends_no_other(run):
    """It stands back, is said once, and comes back when nobody takes its place any more."""

    async def taken(peer):
        await peer.accept()
        peer.say(mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode(0x8E)))
        await asyncio.sleep(1)

    async def main():
        async with scripted(good, good, taken, taken, taken, good) as (address, _):
            out, back = [], []
            bundle = Bundle(
                address,
                backoff=QUICK,
                on_trouble=lambda _: None,
                seldom=0.1,
                on_shut_out=lambda *said: out.append(said),
                on_return=back.append,
                at_once=1,
            )
            shown = Credentials(tls=ssl.create_default_context())
            for name in ("a", "b", "c"):
                ear = Listener()
                ear.strand = bundle.add(Opening(client_id=name, credentials=shown), ear)
            async with bundle:
                await until(lambda: back)
                await until(lambda: bundle.counts.standing == 3)
                assert (bundle.failure, bundle.counts.shut_out) == (None, 0)
            assert back == ["c"]
            [(names, why)] = out
            assert (names, "another client" in why) == (["c"], True)

    run(main)


def test_a_fleet_most_of_whose_clients_are_displaced_ends(run):
    async def taken(peer):
        await peer.accept()
        peer.say(mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode(0x8E)))
        await asyncio.sleep(1)

    async def main():
        async with scripted(taken) as (address, _):
            bundle = Bundle(address, backoff=QUICK, on_trouble=lambda _: None, seldom=0.05)
            shown = Credentials(tls=ssl.create_default_context())
            for name in ("a", "b"):
                ear = Listener()
                ear.strand = bundle.add(Opening(client_id=name, credentials=shown), ear)
            with pytest.raises(SessionTakenOver):
                async with bundle:
                    await bundle.run()

    run(main)


def test_an_ear_that_raises_ends_the_bundle_with_its_error(run):
    async def main():
        async with scripted(good) as (address, _):
            bundle, (ear,), _ = bundle_of(address, ["a"])
            ear.settled = lambda token, code: 1 / 0
            async with bundle:
                ear.strand.post("t", b"", "token")
                with pytest.raises(ZeroDivisionError):
                    await bundle.run()

    run(main)


def test_who_is_in_a_hurry_does_not_wait_for_all(run):
    async def silent(peer):
        await peer.next()
        await asyncio.sleep(30)

    async def main():
        async with scripted(good, silent) as (address, seen):
            bundle, (first, second), said = bundle_of(address, ["a", "b"], connect_timeout=600)
            entering = asyncio.ensure_future(bundle.__aenter__())
            await until(lambda: len(seen) == 2)
            assert not entering.done()
            bundle.hurry()
            await entering
            assert (first.epochs, second.epochs, said) == ([1], [], [])
            await bundle.__aexit__(None, None, None)

    run(main)


def test_a_look_that_raises_ends_the_bundle_with_its_error(run):
    async def main():
        async with scripted(good) as (address, _):
            bundle, (ear,), _ = bundle_of(address, ["a"])
            async with bundle:
                ear.tick = lambda now: 1 / 0
                with pytest.raises(ZeroDivisionError):
                    await bundle.run()

    run(main)


def test_one_that_is_lost_and_restored_at_once_is_connected_once(run):
    async def main():
        async with scripted(good) as (address, seen):
            bundle, (ear,), _ = bundle_of(address, ["a"])
            async with bundle:
                ear.strand.cut(hold=True)
                await until(lambda: not ear.strand.ready)
                ear.strand.restore()
                time.sleep(2 * QUICK.limit)  # noqa: ASYNC251 - so that all that is due is due at once
                await until(lambda: ear.epochs == [1, 2])
                await asyncio.sleep(2 * QUICK.limit)
            assert len(seen) == 2

    run(main)


def test_a_client_id_that_cannot_be_sent_is_the_callers_error(run):
    async def main():
        with pytest.raises(ValueError):
            bundle_of(Address("127.0.0.1", 1), ["x" * 70_000])

    run(main)


class Mirror:
    """A transport whose socket is connected to itself, as TCP allows where nobody listens."""

    aborted = False

    def get_extra_info(self, name):
        return {"sockname": ("127.0.0.1", 40_000), "peername": ("127.0.0.1", 40_000)}[name]

    def abort(self):
        self.aborted = True


def test_a_connection_with_itself_is_cut(run):
    """It would keep the port from the broker that wants it back."""

    async def main():
        _, (ear,), _ = bundle_of(Address("127.0.0.1", 40_000), ["a"])
        ends = [
            ear.strand,
            MqttWire(Opening(client_id="a"), epoch=1, where="x", ear=Ear(*[print] * 4)),
        ]
        for end in ends:
            mirror = Mirror()
            end.connection_made(mirror)
            assert mirror.aborted

    run(main)


@pytest.mark.e2e
def test_leaving_says_goodbye_and_being_killed_does_not(run, broker, topic_prefix):
    from telemetry.mqtt_packets import Will

    wills = []

    @asynccontextmanager
    async def listening():
        listener = Link(
            broker.address,
            client_id=f"{topic_prefix}-l",
            subscriptions=[Subscription(f"{topic_prefix}/will/#")],
            on_arrivals=lambda arrivals: wills.extend(one.topic for one in arrivals),
        )
        async with listener:
            yield

    async def main():
        async with listening():
            for death in ("leave", "cut"):
                bundle = Bundle(broker.address, backoff=QUICK, on_trouble=lambda _: None)
                for number in range(20):
                    ear = Listener()
                    topic = f"{topic_prefix}/will/{death}/{number}"
                    opening = Opening(client_id=f"{death}-{topic_prefix}-{number}",
                                      will=Will(topic, b"gone"), clean_start=True)  # fmt: skip
                    ear.strand = bundle.add(opening, ear)
                async with bundle:
                    if death == "cut":
                        for strand in bundle.strands:
                            strand.cut(hold=True)
                        await until(lambda: len(wills) == 20)

    run(main)
    assert len(wills) == 20
    assert all("/cut/" in topic for topic in wills)
