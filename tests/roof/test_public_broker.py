"""A broker that is everybody's: no names, no passwords, and somebody who means harm."""

import asyncio
import json
import secrets
from pathlib import Path

import pytest

from factoryledger.broker import LocalBroker
from telemetry.link import Link, Subscription

MACHINES = 4


@pytest.fixture
def public(tmp_path):
    """Mosquitto as public ones are: whoever comes may read and write everything."""
    with LocalBroker(0, tmp_path / "broker", embedded=False) as running:
        yield running


class Harm:
    """One client that reads all there is, and does what it can with it."""

    def __init__(self, broker: LocalBroker) -> None:
        self.broker = broker
        self.heard, self.sent = [], 0

    def _take(self, arrivals):
        self.heard.extend(arrivals)

    async def run(self, ended: asyncio.Event) -> None:
        everything = [Subscription("#", no_local=True)]
        async with Link(
            self.broker.address, client_id="harm", subscriptions=everything, on_arrivals=self._take
        ) as link:
            while not ended.is_set():
                await asyncio.sleep(0.1)
                link.acknowledge(self.heard)
                signed = [one for one in self.heard if b'"sig":"' in one.payload]
                if len(signed) > 2 * MACHINES:
                    posted = [link.post(*one) for one in self._messages(signed)]
                    self.sent += len(await asyncio.gather(*posted))
                    await self._takes_client_ids(signed)

    def _messages(self, signed):
        """Floods, forgeries, retained poison, and what was heard once more."""
        prefix = signed[0].topic.split("/", maxsplit=1)[0]
        for one in signed[-20:]:
            yield one.topic, one.payload
            yield one.topic, one.payload.replace(b":1", b":2")
            yield one.topic, one.payload.replace(b'"seq":', b'"seq":9')
            yield f"{one.topic.rpartition('/')[0]}/receipt", b'{"leaf":"{}","index":0}'
        for number in range(200):
            yield f"{prefix}/a/b/c/d/x{number}/telemetry", secrets.token_bytes(200)
            yield f"{prefix}/{'/'.join('flood')}/telemetry", b"x" * 1000

    async def _takes_client_ids(self, signed):
        prefix = signed[0].topic.split("/", maxsplit=1)[0]
        names = {one.topic.split("/")[-2] for one in signed}
        for name in [*(f"{prefix}-{name}" for name in names), *names]:
            async with Link(self.broker.address, client_id=name, clean_start=True) as taken:
                for kind in ("ledger/checkpoint", "ledger/collector/x"):
                    await taken.publish(f"{prefix}/{kind}", b"poison", retain=True)


@pytest.mark.e2e
def test_strangers_on_a_public_broker_change_nothing_and_fill_no_disk(
    public, program, command, await_line, tmp_path
):
    place = ["--data", tmp_path / "d"]
    line = ["--broker", public.address, "--prefix", "auto", *place]
    collector = program("collect", *line)
    await_line(collector, "ready")
    anchor = program("anchor", *line)
    await_line(anchor, "ready")
    outbox = ["--outbox", tmp_path / "outbox"]
    machines = ["--machines", MACHINES, "--interval", 0.2, "--duration", 2, "--json"]
    harm = Harm(public)

    async def attacked():
        ended = asyncio.Event()
        simulator = program("simulate", *line, *machines, *outbox)
        attack = asyncio.create_task(harm.run(ended))
        said = await asyncio.to_thread(simulator.communicate)
        ended.set()
        await attack
        return simulator.returncode, *said

    code, out, err = asyncio.run(attacked())
    assert code == 0, err
    tally = json.loads(out.splitlines()[-1])
    assert tally["receipted"] == tally["recorded"] > 5 * MACHINES
    assert tally["disconnects"] == 0
    assert "reads all of it" in err
    for process in (collector, anchor):
        process.terminate()
        assert process.wait(20) == 0

    counts = json.loads(command("stats", "--json", *place).out)
    assert counts["statuses"]["accepted"] == tally["recorded"]
    assert harm.sent > 1000
    # A burst of ten seconds' worth of each limit, and what came in the seconds of the attack.
    stored_of_strangers = counts["stored"] - tally["recorded"]
    assert 0 < stored_of_strangers < 600
    assert counts["refused"] > 500
    assert command("audit", *place).code == 0


def test_the_prefix_is_made_once_is_long_and_is_another_in_another_folder(command, tmp_path):
    from factoryledger.installation import installation

    first, second = (installation(data=tmp_path / name, prefix="auto") for name in "ab")
    assert first.prefix == installation(data=tmp_path / "a", prefix="auto").prefix
    assert first.prefix != second.prefix
    assert len(first.prefix) == len("ledger-") + 40
    assert (tmp_path / "a" / "prefix").stat().st_mode & 0o077 == 0
    assert not Path("prefix").exists()
    assert installation(data=tmp_path / "a", prefix="lab").prefix == "lab"
