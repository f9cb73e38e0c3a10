"""A gateway in this process: its source is the test, its broker a real one without a collector."""

import asyncio
import json
from contextlib import asynccontextmanager
from time import sleep

import pytest

from gateway.heard import Heard
from gateway.mapping_file import read_mapping
from gateway.service import GatewayAccount, run_gateway
from simulator.errors import OutboxUnwritable
from simulator.outbox import Outbox
from simulator.wire import Wire
from telemetry.address import NOBODY
from telemetry.signature import SigningKey

NOW = 1_795_000_000_000_000
TEXT = """
gateway = "g"
place = "acme/north/milling/line-4"
devices_at_most = 3
[[rule]]
topic = "plc/{name}"
device = "{name}"
readings.x = { pointer = "" }
[otherwise]
device = "others"
"""


class Believing:
    def admit(self, entry):
        raise ValueError

    def check(self, payload):
        raise ValueError


class Ring:
    """A key for every device but those that are to have none."""

    def __init__(self, *without):
        self.without = without

    def key(self, device):
        if device in self.without:
            return None
        return SigningKey.from_seed(device.encode().ljust(32)), ()


class Source:
    """What the test says; what was acknowledged."""

    losses = 0

    def __init__(self):
        self.settled = []
        self.kept_up = True

    async def start(self, hear, forget):
        self.hear, self.forget = hear, forget

    async def run(self):
        try:
            await asyncio.Event().wait()
        finally:
            self.kept_up = False

    def settle(self, heard):
        self.settled += heard

    async def close(self):
        assert not self.kept_up, "it would be taken for a loss, and connected again"
        self.hear = None


def heard(number, topic="plc/one", payload=b"1", **more):
    return Heard(topic, payload, NOW, number=number, marks={"qos": 1}, **more)


@pytest.fixture
def gateway(broker, topic_prefix, tmp_path):
    """Run one over the test's folder: gives its source and its account."""

    @asynccontextmanager
    async def run(keys=None, text=TEXT):
        source, account, stop = Source(), GatewayAccount(), asyncio.Event()
        ready = asyncio.Event()
        task = asyncio.create_task(
            run_gateway(
                mapping=read_mapping(text, "m.toml"),
                sources=[source],
                wire=Wire(broker.address, lambda _name: NOBODY, topic_prefix, 25.0, topic_prefix),
                folder=tmp_path,
                keys=keys or Ring(),
                receipts=Believing(),
                checkpoints=Believing(),
                drain=0.0,
                stop=stop,
                on_ready=ready.set,
                account=account,
            )
        )
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        try:
            yield source, account
        finally:
            stop.set()
            run.tally = await task

    return run


async def until(holds):
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - many things are waited for
            await asyncio.sleep(0.005)


def entries(folder, device):
    """What the outbox of a device holds, read as the next start would read it."""
    from telemetry.topic import MachineTopic

    topic = MachineTopic("", "acme", "north", "milling", "line-4", device, "telemetry")
    box = Outbox(device, SigningKey.generate(), topic, folder)
    try:
        return [json.loads(entry.payload) for entry in box.waiting()]
    finally:
        box.close()


def test_nothing_is_acknowledged_before_it_is_on_the_disk(gateway, monkeypatch, tmp_path):
    """The sync of the outbox is held up: meanwhile the source hears nothing of it."""
    import threading

    gate = threading.Event()
    sync = Outbox.sync
    monkeypatch.setattr(Outbox, "sync", lambda box: gate.wait(30) and sync(box))

    async def main():
        async with gateway() as (source, account):
            source.hear([heard(1), heard(2)])
            await asyncio.sleep(0.2)
            assert account.tally().signed == 2
            assert source.settled == []
            gate.set()
            await until(lambda: len(source.settled) == 2)

    asyncio.run(main())
    bodies = entries(tmp_path, "one")
    assert [body["source"]["qos"] for body in bodies if "source" in body] == [1, 1]
    assert "birth" in bodies[0]


def test_what_is_on_the_disk_is_acknowledged_before_it_goes(gateway, monkeypatch):
    """Stopped just after the sync: what is not acknowledged now would come again, and twice."""
    sync = Outbox.sync

    def slow(box):
        sync(box)
        sleep(0.3)

    async def main():
        async with gateway() as (source, _):
            monkeypatch.setattr(Outbox, "sync", slow)
            source.hear([heard(1)])
            gateway.source = source

    asyncio.run(main())
    assert [one.number for one in gateway.source.settled] == [1]


def test_what_the_disk_does_not_take_ends_it_unacknowledged(gateway, monkeypatch):
    def full(_box):
        raise OutboxUnwritable("full")

    async def main():
        async with gateway() as (source, _):
            monkeypatch.setattr(Outbox, "sync", full)
            source.hear([heard(1)])
            await asyncio.sleep(0.2)
            gateway.source = source

    with pytest.raises(OutboxUnwritable, match="full"):
        asyncio.run(main())
    assert gateway.source.settled == []


def test_a_redelivery_is_known_after_a_restart_and_else_marked(gateway, tmp_path):
    async def main():
        async with gateway() as (source, _):
            source.hear([heard(1), heard(2)])
            await until(lambda: len(source.settled) == 2)
        async with gateway() as (source, account):
            # Known again by its place, though the mapping does not name it: what it holds goes.
            assert (account.tally().devices, account.tally().held) == (2, 3)
            source.hear([heard(2, again=True), heard(3, again=True)])
            await until(lambda: len(source.settled) == 2)
            assert (account.tally().repeated, account.tally().signed) == (1, 1)

    asyncio.run(main())
    sources = [body["source"] for body in entries(tmp_path, "one") if "source" in body]
    assert [one.get("repeat") for one in sources] == [None, None, "possible"]


def test_devices_that_messages_name_are_bounded(gateway, tmp_path):
    """Others' device is one of three; a fourth name goes there, and so does one without a key."""

    async def main():
        async with gateway(Ring("keyless")) as (source, account):
            source.hear([heard(n, f"plc/{name}") for n, name in enumerate("abcd", 1)])
            source.hear([heard(9, "plc/keyless")])
            await until(lambda: len(source.settled) == 5)
            assert (account.tally().devices, account.tally().signed) == (3, 5)

    asyncio.run(main())
    topics = [body["source"]["topic"] for body in entries(tmp_path, "others") if "source" in body]
    assert topics == ["plc/c", "plc/d", "plc/keyless"]


def test_without_any_key_a_message_is_counted_and_not_signed(gateway):
    async def main():
        async with gateway(Ring("keyless", "others")) as (source, account):
            source.hear([heard(1, "plc/keyless")])
            await until(lambda: source.settled)
            assert (account.tally().unsignable, account.tally().signed) == (1, 0)

    asyncio.run(main())


def test_what_it_says_itself_is_never_signed_again(gateway, topic_prefix):
    own = [
        f"{topic_prefix}/acme/north/milling/line-4/one/telemetry",
        f"{topic_prefix}/acme/north/milling/line-4/others/birth",
        f"{topic_prefix}/ledger/checkpoint",
    ]

    async def main():
        async with gateway() as (source, account):
            source.hear([heard(n, topic) for n, topic in enumerate(own, 1)])
            await until(lambda: len(source.settled) == 3)
            assert (account.tally().own, account.tally().signed) == (3, 0)

    asyncio.run(main())


@pytest.mark.parametrize("device", ['device = "{name}"', 'device = "one"'])
def test_a_device_that_moves_keeps_its_place_while_its_outbox_holds_what_it_signed(
    gateway, tmp_path, device
):
    """Signed for another topic, it would count for nothing there; named outright or by messages."""
    text = TEXT.replace('device = "{name}"', device)
    moved = text.replace("line-4", "line-5")

    async def main():
        async with gateway(text=text) as (source, _):
            source.hear([heard(1)])
            await until(lambda: source.settled)
        async with gateway(text=moved) as (source, account):
            source.hear([heard(2)])
            await until(lambda: source.settled)
            assert account.tally().held == 4, "a birth and a message each time"

    asyncio.run(main())
    places = json.loads((tmp_path / "devices.json").read_text())
    assert places["one"].startswith("acme/north/milling/line-4/one/")
    assert places["others"].startswith("acme/north/milling/line-5/others/")


def test_a_session_that_begins_anew_makes_no_message_a_repeat_of_a_former_one(gateway, tmp_path):
    """Its numbers count from the beginning: a valve that says the same again would be lost."""

    async def main():
        async with gateway() as (source, account):
            source.hear([heard(1)])
            await until(lambda: len(source.settled) == 1)
            source.forget()
            source.hear([heard(1, again=True)])
            await until(lambda: len(source.settled) == 2)
            # What waits for the disk while the session is lost is none of the new one's, either.
            source.hear([heard(2, payload=b"2")])
            source.forget()
            await until(lambda: len(source.settled) == 3)
            source.hear([heard(2, payload=b"2", again=True)])
            await until(lambda: len(source.settled) == 4)
            assert (account.tally().signed, account.tally().repeated) == (4, 0)

    asyncio.run(main())
