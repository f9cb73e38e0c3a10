"""The whole compose stack on a real engine, in the order of this file."""

import json
import re
import time
from pathlib import Path

import pytest
from stack import IMAGE, PROJECT, docker, megabytes, until

pytestmark = pytest.mark.compose

KEYS = {
    "anchor": {"anchor.key", "anchor.N.key"},
    "collector": {"spare-*.key", "collector-*.key", "collector.N.key"},
    "simulator": {"device-*.key", "NAME.key", "simulator.N.key"},
    "web": {"watch.N.key"},
    "mosquitto": {"server.key"},
    "postgres": set(),
    "witness-operator": {"witness-operator.key"},
    "witness-customer": {"witness-customer.key"},
    "witness-regulator": {"witness-regulator.key"},
}
HEAVY = 300  # MB


def service_of(container):
    return container.removeprefix(f"{PROJECT}-").rsplit("-", 1)[0]


def kind_of(key):
    """A key file's name without what differs from one to the next."""
    name = re.sub(r"^(spare|collector|device)-[\w-]+\.key$", r"\1-*.key", key)
    name = re.sub(r"^([a-z]+)\.\d+(\.[a-z]+)?\.key$", r"\1.N.key", name)
    machine = re.fullmatch(r"[a-z-]+-\d+\.key", name)
    return "NAME.key" if machine else name


def test_all_parts_are_there_and_the_image_is_small(stack):
    found = {service_of(container) for container in stack.containers()}
    assert found == set(KEYS)
    assert len(stack.containers("collector")) == 2
    assert megabytes(IMAGE) < HEAVY
    labels = json.loads(
        docker("image", "inspect", IMAGE, "--format", "{{json .Config.Labels}}").stdout
    )
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_the_ports_of_the_host_are_those_two_and_on_loopback(stack, say):
    published = {}
    for container in stack.containers():
        for port, bindings in (stack.inspect(container)["NetworkSettings"]["Ports"] or {}).items():
            for binding in bindings or ():
                published[port] = binding["HostIp"]
    say(f"ports reachable from outside: {published}")
    assert published == {"8883/tcp": "127.0.0.1", "8080/tcp": "127.0.0.1"}


def test_no_container_is_root_or_can_change_itself(stack):
    for container in stack.containers():
        stack.assert_confined(container)


def test_each_part_has_its_own_keys_and_none_the_operators(stack):
    for container in stack.containers():
        said = stack.inside(
            container, "sh", "-c",
            "find / -name '*.key' -not -path '/proc/*' -not -path '/sys/*' 2>/dev/null || true",
        ).stdout.splitlines()  # fmt: skip
        found = {kind_of(path.rsplit("/", 1)[1]) for path in said}
        assert found <= KEYS[service_of(container)], container
        if not container.startswith(f"{PROJECT}-collector"):
            assert found == KEYS[service_of(container)], container


def test_messages_flow_and_all_of_them_through_tls(stack):
    stack.flows(100)
    (broker,) = stack.containers("mosquitto")
    table = stack.inside(broker, "cat", "/proc/net/tcp").stdout.splitlines()[1:]
    # Established, by the broker's own port: 8883 and 1883.
    ports = [line.split()[1].rsplit(":", 1)[1] for line in table if line.split()[3] == "01"]
    assert ports.count(f"{8883:04X}") >= 20 + 2 + 1
    assert ports.count(f"{1883:04X}") == 0


def test_the_three_witnesses_cosign(stack):
    (anchor,) = stack.containers("anchor")
    note = until(
        lambda: stack.inside(anchor, "cat", "/data/log/checkpoint", check=False).stdout,
        "a checkpoint is published",
    )
    for name in ("operator", "customer", "regulator"):
        assert re.search(rf"^— \S+/witness-{name} ", note, re.MULTILINE), name
    policy = stack.inside(anchor, "cat", "/data/policy").stdout
    assert policy.count("\nwitness ") == 3


def test_the_page_is_behind_its_password_and_the_log_is_not(stack):
    ask = stack.ask
    assert ask("/")[0] == ask("/checkpoint")[0] == 200
    assert ask("/api/v1/machines")[0] == 401
    (web,) = stack.containers("web")
    password = stack.inside(web, "cat", "/secrets/web/password").stdout.strip()
    wrong = json.dumps({"password": "wrong"}).encode()
    right = json.dumps({"password": password}).encode()
    posted = {"method": "POST", "headers": {"Content-Type": "application/json"}}
    assert ask("/login", data=wrong, **posted)[0] == 401
    status, _, headers = ask("/login", data=right, **posted)
    assert status < 300
    cookie = headers["Set-Cookie"].split(";")[0]
    status, said, _ = ask("/api/v1/machines", headers={"Cookie": cookie})
    assert status == 200
    assert len(json.loads(said)["machines"]) == 20
    # The page has no anchor's database beside it, and makes proofs all the same.
    row = stack.sql("SELECT collector FROM messages WHERE position = 0 LIMIT 1")
    named = f"/api/v1/proof?collector={row}&position=0"
    until(lambda: ask(named, headers={"Cookie": cookie})[0] == 200, "the page proves a message")


def test_a_devices_credentials_are_good_for_its_own_topics_alone(stack):
    asked = ("run", "--rm", "operator", "device", "enrol", "guest-01")
    stack.compose("--profile", "operator", *asked)
    time.sleep(2)  # the broker looks twice a second whether its files are new
    script = Path(__file__).with_name("guest.py").read_text()
    place = stack.sql("SELECT topic FROM messages WHERE device = 'mill-01' LIMIT 1")
    done = stack.outside(
        "-", "guest-01", "mill-01", place.rsplit("/", 2)[0], "/operator/broker/machine",
        mounts=(f"{PROJECT}_operator:/operator:ro",),
        network="floor", entrypoint="python3", said=script,
    )  # fmt: skip
    found = json.loads(done.stdout)
    not_authorised = 0x87
    assert found["published"] == {
        "guest-01": 0,
        "mill-01": not_authorised,
        "receipt": not_authorised,
        "checkpoint": not_authorised,
    }
    # Its topics hold `#` and others' receipts and readings, and a line of 20 machines talks.
    assert found["heard"]
    assert all(topic.startswith("ledger/") for topic in found["heard"]), found["heard"]
    assert not found["without certificate"]
    assert not found["without name"]


def test_four_collectors_share(stack, say):
    began = time.monotonic()
    stack.compose("up", "--detach", "--wait", "--no-recreate", "--scale", "collector=4")
    assert len(stack.containers("collector")) == 4
    say(f"four collectors: {time.monotonic() - began:.0f} s")
    before = stack.sql("SELECT now()")
    count = "SELECT count(DISTINCT collector) FROM messages WHERE received_at > "
    since = f"extract(epoch FROM timestamptz '{before}') * 1000000"
    until(lambda: stack.sql(count + since) == "4", "each of the four has taken some")


@pytest.mark.parametrize("service", sorted(KEYS))
def test_a_container_that_is_killed_comes_back(stack, service):
    stack.comes_back(stack.containers(service)[0])
    stack.flows(20)


def test_all_containers_are_restarted_at_once(stack, say):
    began = time.monotonic()
    docker("restart", "--time", "5", *stack.containers())
    stack.all_healthy()
    stack.flows(100)
    say(f"all containers restarted: {time.monotonic() - began:.0f} s")


def test_the_database_stands_still_for_20_s(stack):
    (database,) = stack.containers("postgres")
    docker("pause", database)
    time.sleep(20)
    docker("unpause", database)
    stack.flows(100)


def test_a_collector_loses_the_network_to_the_broker(stack):
    container, network = stack.containers("collector")[0], f"{PROJECT}_floor"
    docker("network", "disconnect", network, container)
    stack.flows(60)
    docker("network", "connect", network, container)
    until(lambda: stack.healthy(container), "it is healthy again")
    stack.flows(60)


def test_down_and_up_go_on_with_the_same_log(stack, say):
    """Up again with a chain, which the next tests are about."""
    (anchor,) = stack.containers("anchor")
    origin, size = stack.inside(anchor, "cat", "/data/log/checkpoint").stdout.split("\n")[:2]
    began = time.monotonic()
    stack.compose("down", "--timeout", "10")
    say(f"down: {time.monotonic() - began:.0f} s")
    stack.compose("--profile", "chain", "build", "chain")
    began = time.monotonic()
    stack.compose("--profile", "chain", "up", "--detach", "--wait", "--wait-timeout", "180")
    say(f"up again, with a chain: {time.monotonic() - began:.0f} s")
    stack.flows(60)
    (anchor,) = stack.containers("anchor")
    again, larger = stack.inside(anchor, "cat", "/data/log/checkpoint").stdout.split("\n")[:2]
    assert again == origin
    assert int(larger) >= int(size)
