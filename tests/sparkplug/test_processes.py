"""The commands themselves: a simulator that is killed, its will, and what the ledger has of it."""

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from contextlib import closing

import pytest
from spec_host import SpecHost
from works import eventually

from telemetry.link import Link, Subscription
from telemetry.sparkplug import Payload
from telemetry.sparkplug_topic import SparkplugTopic

pytestmark = pytest.mark.e2e

SCENARIO = """\
description: a line that speaks Sparkplug beside one that does not
enterprise: works
site: north
lines:
  - {name: packing, area: hall, language: sparkplug, machines: [{kind: robot}, {kind: conveyor}]}
machines:
  - {kind: mill, area: hall, line: milling}
"""
NODE = "north_hall_packing"


class Works:
    """The commands on one data folder and one broker."""

    def __init__(self, broker, prefix, folder):
        self.broker, self.prefix, self.folder = broker, prefix, folder
        self.scenario = folder / "works.yaml"
        self.scenario.write_text(SCENARIO)
        self.heard, self.host = [], SpecHost()

    def arguments(self, command, *more):
        return [sys.executable, "-m", "factoryledger", command, "--data", self.folder / "d", *more]

    def start(self, command, *more):
        wired = ("--broker", str(self.broker.address), "--prefix", self.prefix)
        said = self.folder / f"{command}.stderr"
        with said.open("w") as stderr:
            process = subprocess.Popen(
                self.arguments(command, *wired, *more),
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        for _ in range(400):
            if ": ready" in said.read_text():
                return process
            time.sleep(0.1)
        raise AssertionError(said.read_text())

    def simulate(self, *more):
        return self.start(
            "simulate",
            *("--scenario", str(self.scenario), "--interval", "0.05"),
            *("--outbox", str(self.folder / "outbox"), "--json", *more),
        )

    def asked(self, command):
        done = subprocess.run(
            self.arguments(command, "--json"), capture_output=True, check=False, timeout=60
        )
        return done.returncode, json.loads(done.stdout.splitlines()[-1])

    def live(self):
        topics = [f"{self.prefix}/spBv1.0/#"]
        return Link(
            self.broker.address,
            client_id=f"w-{uuid.uuid4().hex[:8]}",
            clean_start=True,
            subscriptions=[Subscription(topic) for topic in topics],
            on_arrivals=self._take,
        )

    def _take(self, arrivals):
        for arrival in arrivals:
            self.heard.append((SparkplugTopic.parse(arrival.topic), arrival.payload))
            self.host.hear(arrival.topic, arrival.payload, qos=arrival.qos, retain=arrival.retain)


def ended(process, number):
    process.send_signal(number)
    out, _ = process.communicate(timeout=40)
    return out


def numbers_of(heard):
    """What the devices' data say, as a host resolves them: by the birth that it heard last."""
    names, said = {}, set()
    for place, data in heard:
        payload = Payload.from_bytes(data)
        if place.type == "DBIRTH":
            names[place.device] = {one.alias: one for one in payload.metrics}
        elif place.type == "DDATA":
            for one in payload.metrics:
                born = names[place.device][one.alias]
                value = one.meaning(born.datatype)
                if isinstance(value, int | float):
                    at = (one.timestamp or payload.timestamp) * 1000
                    said.add((place.device, born.name, float(value), at))
    return said


def test_killed_its_will_speaks_and_nothing_recorded_is_lost(broker, topic_prefix, tmp_path):
    works = Works(broker, topic_prefix, tmp_path)
    collect = works.start("collect", "--flush-seconds", "0.1")

    async def main():
        async with works.live():
            killed = await asyncio.to_thread(works.simulate)
            await eventually(lambda: works.host.data > 40, 40)
            killed.kill()
            await asyncio.to_thread(killed.communicate)
            await eventually(lambda: works.host.deaths == [0])
            topic, payload = works.heard[-1]
            assert (topic.type, topic.node) == ("NDEATH", NODE)
            assert Payload.from_bytes(payload).seq is None
            again = await asyncio.to_thread(works.simulate)
            await eventually(lambda: works.host.births == 2 and works.host.data > 80, 40)
            out = await asyncio.to_thread(ended, again, signal.SIGTERM)
            await eventually(lambda: works.host.deaths == [0, 0])
        return json.loads(out.splitlines()[-1])

    try:
        tally = asyncio.run(asyncio.wait_for(main(), 150))
        assert tally["held"] == 0
        assert tally["recorded"] == tally["receipted"]
    finally:
        ended(collect, signal.SIGTERM)
    code, stats = works.asked("stats")
    assert code == 0
    # Those that were recorded, those of both runs, and no more: each once.
    assert stats["statuses"]["accepted"] == tally["recorded"]
    assert stats["gaps"] == []
    counted = {status for status, count in stats["statuses"].items() if count}
    assert counted == {"accepted", "unsigned"}
    code, audit = works.asked("audit")
    assert (code, audit["findings"]) == (0, [])
    assert not [note for note in audit["notes"] if "decoded" in note or "derived" in note]
    said = numbers_of(works.heard)
    assert len(said) > 40
    with closing(sqlite3.connect(tmp_path / "d" / "ledger.db")) as store:
        shown = set(store.execute("SELECT device, metric, value, time FROM readings"))
        assert said <= shown
        store.execute("UPDATE decoded SET value = value + 1 WHERE position % 5 = 0")
        store.commit()
    code, audit = works.asked("audit")
    assert (code, {found["kind"] for found in audit["findings"]}) == (1, {"decoded-altered"})
