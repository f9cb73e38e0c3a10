"""The profile `public`: the same ledger goes on by way of a broker that is everybody's.

The broker is a Mosquitto set up as public ones are, on a network of the test's own that leads
nowhere; so does every other network that the stack is on then.
"""

import json
import re
import time
from pathlib import Path

import pytest
from stack import ELSEWHERE, IMAGE, PROJECT, SENT_TWICE, docker, until

from factoryledger.broker_book import SERVICES
from factoryledger.broker_files import BrokerFiles

pytestmark = pytest.mark.compose

BROKER = f"{PROJECT}-public-broker"
# As test.mosquitto.org: TLS for who wants it, no names, no rules.
OPEN = """
listener 8883
certfile /certificates/server.crt
keyfile /certificates/server.key
allow_anonymous true
user root
"""
PARTS = ("collector-public", "anchor-public", "web-public", "public")


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    """Gives the file of the authority that its clients have to trust."""
    folder = tmp_path_factory.mktemp("public")
    files = BrokerFiles(folder / "broker")
    files.prepare("example.org/public", ["public-broker"], SERVICES)
    (folder / "mosquitto.conf").write_text(OPEN)
    docker("rm", "--force", "--volumes", BROKER, check=False)
    docker("network", "rm", ELSEWHERE, check=False)
    docker("network", "create", "--internal", ELSEWHERE)
    docker(
        "run", "--detach", "--name", BROKER, "--network", ELSEWHERE,
        "--network-alias", "public-broker",
        "--volume", f"{folder / 'mosquitto.conf'}:/mosquitto/config/mosquitto.conf:ro",
        "--volume", f"{files.path / 'server'}:/certificates:ro",
        "eclipse-mosquitto:2",
    )  # fmt: skip
    yield files.path / "server" / "ca.crt"
    docker("rm", "--force", "--volumes", BROKER)


@pytest.fixture(scope="module")
def public(stack, broker, say, tmp_path_factory):
    """The stack on that broker: compose.yml and the little that this broker's owner adds."""
    more = tmp_path_factory.mktemp("compose") / "elsewhere.json"
    trusts = {
        "environment": {"FACTORYLEDGER_BROKER_CA_FILE": "/elsewhere.crt"},
        "volumes": [f"{broker}:/elsewhere.crt:ro"],
    }
    outside = {"outside": {"external": True, "name": ELSEWHERE}}
    more.write_text(json.dumps({"services": dict.fromkeys(PARTS, trusts), "networks": outside}))
    stack.environment["FACTORYLEDGER_PUBLIC_BROKER"] = "mqtts://public-broker:8883"
    own = ("mosquitto", "collector", "anchor", "web", "simulator", "prometheus", "chain")
    docker("stop", "--time", "20", *(one for name in own for one in stack.containers(name)))
    began = time.monotonic()
    files = ("--file", "docker-compose.yml", "--file", str(more))
    stack.compose(*files, "--profile", "public", "up", "--detach", "--wait", "public")
    say(f"on a public broker, all healthy: {time.monotonic() - began:.0f} s")
    return stack


def test_it_is_on_no_network_that_leads_out(public):
    running = {one for name in (*PARTS, "postgres") for one in public.containers(name)}
    assert len(running) == len(PARTS) + 1
    assert not public.containers("mosquitto")
    for container in (*running, BROKER):
        for name in public.inspect(container)["NetworkSettings"]["Networks"]:
            (network,) = json.loads(docker("network", "inspect", name).stdout)
            assert network["Internal"], (container, name)
    for container in running:
        public.assert_confined(container)


def test_strangers_change_nothing_and_fill_no_disk(public, broker, say):
    before = public.stats()
    public.flows(60)
    script = Path(__file__).with_name("stranger.py").read_text()
    done = docker(
        "run", "--rm", "-i", "--read-only", "--network", ELSEWHERE,
        "--volume", f"{broker}:/ca.crt:ro", "--entrypoint", "python3",
        IMAGE, "-", "/ca.crt", input=script,
    )  # fmt: skip
    harm = json.loads(done.stdout)
    say(f"a stranger on the public broker: {harm}")
    assert re.fullmatch(r"ledger-[0-9a-f]{40}", harm["prefix"])
    public.flows(60)
    (simulator,) = public.containers("public")
    assert "reads all of it" in docker("logs", simulator).stderr
    docker("stop", "--time", "60", simulator)
    assert public.inspect(simulator)["State"]["ExitCode"] == 0
    until(public.all_anchored, "all is anchored")
    found = public.stats()
    # Of the machines nothing is missing and nothing is twice, on this broker or on the other.
    assert found["gaps"] == found["breaks"] == []
    assert public.sql(SENT_TWICE) == "0"
    # What was forged was not taken for theirs; of the flood only so much was kept.
    now, then = found["statuses"], before["statuses"]
    of_strangers = found["stored"] - before["stored"] - (now["accepted"] - then["accepted"])
    assert now["bad-signature"] > 0
    assert 0 < of_strangers < 1000
    assert found["refused"] > 1000
    audited = public.audit()
    assert audited["findings"] == []
    assert audited["messages"] == audited["anchored_messages"] == found["stored"]
