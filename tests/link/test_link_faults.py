"""The link against peers that misbehave: a scripted broker, and a proxy that cuts anywhere."""

import asyncio
import contextlib
import uuid

import mqtt5
import pytest
from scripted_broker import deaf, good, refuse, scripted

from telemetry.errors import BrokerUnavailable, LinkLost, SessionTakenOver
from telemetry.link import Address, Backoff, Credentials, Link, Subscription

QUICK = Backoff(first=0.01, limit=0.05)


def silent(_):
    """Hear of trouble and say nothing."""


def link(address, **rest):
    rest.setdefault("backoff", QUICK)
    rest.setdefault("on_trouble", silent)
    return Link(address, client_id="c", **rest)


def test_refused_credentials_are_said_in_words():
    async def run():
        async with scripted(refuse) as (address, _):
            with pytest.raises(BrokerUnavailable, match="bad user name or password") as caught:
                async with link(address, username="me", password="s3cret"):
                    pass
            assert str(address) in str(caught.value)
            assert "s3cret" not in str(caught.value)

    asyncio.run(run())


def test_user_and_password_are_sent():
    async def run():
        seen = []

        async def note(peer):
            seen.append(await peer.accept())
            await peer.serve()

        async with scripted(note) as (address, _), link(address, username="me", password="pä"):
            pass
        assert (seen[0].username, seen[0].password) == ("me", "pä".encode())

    asyncio.run(run())
    assert Credentials("me", "x") != Credentials("me", "y")


def test_a_refused_subscription_is_no_connection():
    async def no(peer):
        await peer.accept()
        subscribe = await peer.next()
        peer.say(mqtt5.SubAckPacket(subscribe.packet_id, [mqtt5.SubAckReasonCode(0x87)]))
        await asyncio.sleep(1)

    async def run():
        async with scripted(no) as (address, _):
            with pytest.raises(BrokerUnavailable, match=r"subscription to 'a/\+'.*not authorized"):
                async with link(address, subscriptions=[Subscription("a/+")]):
                    pass

    asyncio.run(run())


def test_a_broker_that_says_nothing_is_not_waited_for_for_ever():
    async def mute(peer):
        await peer.next()
        await asyncio.sleep(5)

    async def run():
        async with scripted(mute) as (address, _):
            with pytest.raises(BrokerUnavailable, match=r"0\.1 s"):
                async with link(address, connect_timeout=0.1):
                    pass

    asyncio.run(run())


@pytest.mark.parametrize("paused", [False, True])
def test_a_broker_that_first_sends_what_it_kept_is_waited_for(paused):
    async def run():
        got = []

        async def busy(peer):
            await peer.accept(session_present=True)
            subscribe = await peer.next()
            for number in range(6):
                peer.say(mqtt5.PublishPacket("t", b"%d" % number))
                await asyncio.sleep(0.05)
            peer.say(mqtt5.SubAckPacket(subscribe.packet_id, [mqtt5.SubAckReasonCode(1)]))
            await peer.serve()

        def take(arrivals):
            if paused and not got:
                us.pause_reading()
                asyncio.get_running_loop().call_later(0.3, us.resume_reading)
            got.extend(arrivals)

        async with scripted(busy) as (address, seen):
            us = link(
                address,
                subscriptions=[Subscription("t")],
                on_arrivals=take,
                connect_timeout=0.2,
            )
            async with us:
                assert len(got) == 6
            assert len(seen) == 1

    asyncio.run(run())


def test_a_dead_peer_is_left_and_its_messages_are_lost():
    async def run():
        troubles = []
        async with scripted(deaf, good) as (address, seen):
            async with link(address, keep_alive=1, on_trouble=troubles.append) as us:
                with pytest.raises(LinkLost, match="PINGREQ"):
                    await us.publish("t", b"")
                await us.wait_connected()
                assert await us.publish("t", b"") == 0
                assert us.epoch == 2
            assert len(seen) == 2
        assert any("PINGREQ" in str(trouble) for trouble in troubles)

    asyncio.run(run())


def test_a_quiet_connection_is_kept_by_pings():
    async def run():
        pings = []

        async def answer(peer):
            await peer.accept()
            while True:
                if isinstance(await peer.next(), mqtt5.PingReqPacket):
                    pings.append(1)
                    peer.say(mqtt5.PingRespPacket())

        async with scripted(answer) as (address, seen):
            async with link(address, keep_alive=1) as us:
                await us.run_until(asyncio.Event(), seconds=1.8)
                assert us.connected
            assert len(seen) == 1
        assert len(pings) == 2

    asyncio.run(run())


def test_who_pauses_reading_neither_loses_the_connection_nor_messages():
    async def run():
        got = []

        async def talk(peer):
            await peer.accept()
            while True:
                packet = await peer.next()
                if isinstance(packet, mqtt5.PingReqPacket):
                    peer.say(mqtt5.PingRespPacket(), mqtt5.PublishPacket("t", b"x"))

        async with scripted(talk) as (address, seen):
            async with link(address, keep_alive=1, on_arrivals=got.extend) as us:
                us.pause_reading()
                await us.run_until(asyncio.Event(), seconds=2.2)
                assert us.connected
                assert got == []
                us.resume_reading()
                await us.run_until(asyncio.Event(), seconds=0.1)
                assert got
            assert len(seen) == 1

    asyncio.run(run())


def test_a_connection_lost_while_nothing_is_read_is_made_again_when_reading_resumes():
    got = []

    async def run():
        async def full(peer):
            await peer.accept(session_present=True)
            peer.say(*[mqtt5.PublishPacket("t", b"%d" % number) for number in range(5)])
            await peer.serve()

        async with scripted(full) as (address, seen):
            async with link(address, on_arrivals=got.extend) as us:
                await us.run_until(asyncio.Event(), seconds=0.1)
                us.pause_reading()
                for _ in range(3):
                    us.cut()
                    await us.run_until(asyncio.Event(), seconds=0.3)
                assert (len(seen), len(got)) == (1, 5)
                assert not us.connected
                us.resume_reading()
                await us.wait_connected()
                await us.run_until(asyncio.Event(), seconds=0.3)
            assert (len(seen), len(got)) == (2, 10)

    asyncio.run(run())


def test_every_message_without_an_answer_is_lost_with_the_connection():
    async def run():
        async def go_after_one(peer):
            await peer.accept(receive_max=2)
            first = await peer.next()
            peer.say(mqtt5.PubAckPacket(first.packet_id))
            await peer.next()

        async with scripted(go_after_one, good) as (address, _), link(address) as us:
            posted = [us.post("t", b"%d" % number) for number in range(5)]
            results = await asyncio.gather(*posted, return_exceptions=True)
            assert results[0] == 0
            assert [type(result) for result in results[1:]] == [LinkLost] * 4
            assert not us.connected
            with pytest.raises(LinkLost, match="not connected"):
                us.post("t", b"")
            await us.wait_connected()
            assert await us.publish("t", b"") == 0

    asyncio.run(run())


def test_the_brokers_window_is_never_exceeded():
    async def run():
        most, flying = 0, set()

        async def slow(peer):
            nonlocal most
            await peer.accept(receive_max=3)
            while True:
                packet = await peer.next()
                assert packet.packet_id not in flying
                flying.add(packet.packet_id)
                most = max(most, len(flying))
                if len(flying) == 3:
                    await asyncio.sleep(0.001)
                    peer.say(*(mqtt5.PubAckPacket(number) for number in flying))
                    flying.clear()

        async with scripted(slow) as (address, _), link(address) as us:
            posted = [us.post("t", b"") for _ in range(300)]
            assert set(await asyncio.gather(*posted)) == {0}
        assert most == 3

    asyncio.run(run())


def test_a_broker_that_does_not_read_holds_messages_back():
    async def run():
        go = asyncio.Event()

        async def late(peer):
            await peer.accept()
            await go.wait()
            await peer.serve()

        async with scripted(late) as (address, _), link(address) as us:
            posted = [us.post("t", bytes(100_000)) for _ in range(300)]
            await asyncio.sleep(0.2)
            waiting = us._upkeep.wire._transport.get_write_buffer_size()
            assert waiting < 5_000_000  # of 30 MB: the rest waits as it was posted
            go.set()
            assert set(await asyncio.gather(*posted)) == {0}

    asyncio.run(run())


def test_what_is_posted_in_one_turn_leaves_in_one_piece():
    async def run():
        async with scripted(good) as (address, _), link(address) as us:
            writes = []
            write = us._upkeep.wire._transport.write
            us._upkeep.wire._transport = _Noting(us._upkeep.wire._transport, writes, write)
            await asyncio.gather(*(us.post("t", b"x") for _ in range(100)))
            assert len(writes) == 1

    asyncio.run(run())


class _Noting:
    """A transport that notes each write."""

    def __init__(self, transport, writes, write):
        self._transport, self._writes, self._write = transport, writes, write

    def write(self, data):
        self._writes.append(len(data))
        self._write(data)

    def __getattr__(self, name):
        return getattr(self._transport, name)


def test_broken_bytes_end_the_connection_and_a_new_one_is_made():
    async def run():
        troubles = []

        async def babble(peer):
            await peer.accept()
            peer._writer.write(b"\x00\x00")
            await asyncio.sleep(1)

        async with scripted(babble, good) as (address, seen):
            async with link(address, on_trouble=troubles.append) as us:
                await us.run_until(asyncio.Event(), seconds=0.1)
                await us.wait_connected()
                assert await us.publish("t", b"") == 0
            assert len(seen) == 2
        assert any("no MQTT 5 packet" in str(trouble) for trouble in troubles)

    asyncio.run(run())


def test_clean_start_is_for_the_first_connect_only():
    async def run():
        starts = []

        async def note(peer):
            starts.append((await peer.accept()).clean_start)
            if len(starts) == 3:
                third.set()
                await peer.serve()

        third = asyncio.Event()
        async with scripted(note) as (address, _), link(address, clean_start=True):
            await asyncio.wait_for(third.wait(), 5)
        assert starts[:3] == [True, False, False]

    asyncio.run(run())


def test_a_session_that_another_takes_over_is_not_fought_for():
    async def run():
        troubles = []

        async def take(peer):
            await peer.accept()
            await peer.next()
            taken = mqtt5.DisconnectReasonCode(0x8E)
            peer.say(mqtt5.DisconnectPacket(reason_code=taken))
            await peer.next()

        async with scripted(take) as (address, seen):
            async with link(address, on_trouble=troubles.append) as us:
                with pytest.raises(SessionTakenOver):
                    await us.publish("t", b"")
                with pytest.raises(SessionTakenOver, match="another client"):
                    await us.run_until(asyncio.Event(), seconds=10)
                with pytest.raises(SessionTakenOver):
                    await us.wait_connected()
                with pytest.raises(LinkLost, match="taken over"):
                    us.post("t", b"")
            assert len(seen) == 1
        assert [type(trouble) for trouble in troubles] == [SessionTakenOver]

    asyncio.run(run())


def test_delays_grow_while_a_broker_takes_us_and_ends_it_at_once():
    async def run():
        drawn = []

        def chance():
            drawn.append(1)
            return 1.0

        async def kick(peer):
            await peer.accept()

        backoff = Backoff(first=0.02, limit=10, chance=chance)
        async with scripted(kick) as (address, seen), link(address, backoff=backoff) as us:
            await us.run_until(asyncio.Event(), seconds=0.5)
        # 0.02, 0.04, 0.08, 0.16, 0.32: a fixed delay would make 25 connections.
        assert 2 <= len(seen) <= 6
        assert len(drawn) <= 6

    asyncio.run(run())


def test_leaving_while_the_broker_is_away_does_not_hang():
    async def run():
        lost = asyncio.Event()

        async def once(peer):
            await peer.accept()

        backoff = Backoff(first=60, limit=60)
        hear = {"backoff": backoff, "on_trouble": lambda _: lost.set()}
        async with scripted(once) as (address, _), link(address, **hear) as us:
            await lost.wait()
            assert not us.connected

    asyncio.run(asyncio.wait_for(run(), 5))


@pytest.mark.e2e
def test_a_proxy_that_cuts_in_the_middle_of_packets_loses_nothing(broker, topic_prefix):
    async def run():
        count, got, cuts = 150, [], 0

        async def pipe(reader, writer, most):
            with contextlib.suppress(ConnectionError):
                while most and (data := await reader.read(min(most, 4096))):
                    writer.write(data)
                    await writer.drain()
                    most -= len(data)
            writer.close()

        async def cut(reader, writer):
            nonlocal cuts
            cuts += 1
            there, out = await asyncio.open_connection("127.0.0.1", broker.port)
            # Each connection lives a little longer, in either direction, and ends mid-packet.
            upward = asyncio.ensure_future(pipe(reader, out, 200 + 41 * cuts))
            await pipe(there, writer, 150 + 97 * cuts)
            upward.cancel()
            out.close()

        proxy = await asyncio.start_server(cut, "127.0.0.1", 0)
        address = Address("127.0.0.1", proxy.sockets[0].getsockname()[1])

        def arrived(arrivals):
            got.extend(one.payload for one in arrivals)
            us.acknowledge(arrivals)
            if len(set(got)) == count:
                complete.set()

        complete = asyncio.Event()
        us = Link(
            address,
            client_id=f"cut-{uuid.uuid4().hex[:8]}",
            subscriptions=[Subscription(f"{topic_prefix}/#", retain_handling=1)],
            on_arrivals=arrived,
            session_expiry=60,
            backoff=QUICK,
            on_trouble=silent,
        )
        async with us, Link(broker.address, client_id=f"tx-{uuid.uuid4().hex[:8]}") as other:
            for number in range(count):
                await other.publish(f"{topic_prefix}/t", b"%d" % number)
            await asyncio.wait_for(complete.wait(), 20)
        proxy.close()
        assert set(got) == {b"%d" % number for number in range(count)}
        assert cuts > 3

    asyncio.run(run())
