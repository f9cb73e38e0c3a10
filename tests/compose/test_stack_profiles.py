"""The profiles `chain` and `observability`, beside the running stack."""

import json
import os
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from stack import docker, megabytes, run, until

pytestmark = pytest.mark.compose

HERE = Path(__file__).parent
ALERTS = HERE.parents[1] / "docs" / "observability" / "alerts.yml"
STAND_IN = "factoryledger-test-prometheus"


# -- observability -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def prometheus(stack, say):
    """The image that the profile names, where it is at hand, else one of Debian's Prometheus."""
    named = "PROMETHEUS_IMAGE" in os.environ
    public = json.loads(stack.compose("--profile", "*", "config", "--format", "json").stdout)
    image = public["services"]["prometheus"]["image"]
    if not named and docker("image", "inspect", image, check=False).returncode:
        image = stack.environment["PROMETHEUS_IMAGE"] = STAND_IN
        try:
            run("docker", "build", "--tag", STAND_IN, str(HERE / "prometheus"), timeout=180)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"no image of Prometheus, and none can be built: {str(error)[-200:]}")
    began = time.monotonic()
    stack.compose("up", "--detach", "--wait", "prometheus")
    took = time.monotonic() - began
    say(f"Prometheus beside it: {took:.0f} s, {image} {megabytes(image):.0f} MB")
    return f"http://127.0.0.1:{stack.prometheus}/api/v1"


def asked(url, **query):
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
        return json.load(answer)["data"]


def test_prometheus_finds_every_part_and_its_rules_and_counts_messages(prometheus, stack):
    (container,) = stack.containers("prometheus")
    stack.assert_confined(container)

    def all_up():
        targets = asked(f"{prometheus}/targets", state="active")["activeTargets"]
        jobs = [one["labels"]["job"] for one in targets if one["health"] == "up"]
        due = {"collect": 2, "anchor": 1, "witness": 3, "simulate": 1, "web": 1}
        return len(jobs) == len(targets) and {job: jobs.count(job) for job in set(jobs)} == due

    until(all_up, "every target is up")
    loaded = {
        rule["name"]: rule["health"]
        for group in asked(f"{prometheus}/rules")["groups"]
        for rule in group["rules"]
    }
    shipped = YAML(typ="safe").load(ALERTS.read_text("utf-8"))["groups"]
    assert set(loaded) == {rule["alert"] for group in shipped for rule in group["rules"]}
    assert "err" not in loaded.values()
    rate = "sum(rate(factoryledger_collector_messages_stored_total[1m]))"

    def measured():
        found = asked(f"{prometheus}/query", query=rate)["result"]
        return found and float(found[0]["value"][1])

    assert until(measured, "there is a rate of messages") > 0


# -- chain ---------------------------------------------------------------------------------


def ledger(stack):
    """How far the chain is, as the anchor has it."""
    (anchor,) = stack.containers("anchor")
    said = stack.inside(anchor, "factoryledger", "stats", "--json", check=False).stdout
    (state,) = json.loads(said)["ledgers"] if said else ({"stamped": 0, "stamped_size": 0},)
    return state


def test_the_chain_takes_checkpoints_and_goes_on_when_node_and_anchor_are_killed(stack, say):
    (chain,), (anchor,) = stack.containers("chain"), stack.containers("anchor")
    say(f"chain's image: {megabytes('factoryledger-chain'):.0f} MB")
    stack.assert_confined(chain)
    before = until(lambda: ledger(stack)["stamped_size"], "a checkpoint is stamped")
    stack.comes_back(chain)
    stack.comes_back(anchor)
    until(
        lambda: (ledger(stack)["stamped_size"] or 0) > before,
        "a larger checkpoint is stamped after the kills",
    )
    state = ledger(stack)
    assert state["refused"] == 0


def test_the_contract_is_put_there_once(stack):
    (anchor,) = stack.containers("anchor")
    pinned = stack.inside(anchor, "cat", "/data/ledgers.toml").stdout
    stack.compose("up", "--detach", "--no-deps", "contract")
    (one,) = docker("ps", "-aq", "--filter", "name=-contract-").stdout.split()
    until(lambda: not stack.inspect(one)["State"]["Running"], "the contract's one-shot has ended")
    assert stack.inspect(one)["State"]["ExitCode"] == 0
    assert "and it is there" in docker("logs", "--tail", "1", one).stdout
    assert stack.inside(anchor, "cat", "/data/ledgers.toml").stdout == pinned


def test_a_message_is_proved_with_the_chains_receipt(stack):
    (anchor,) = stack.containers("anchor")
    row = stack.sql("SELECT collector FROM messages WHERE position = 0 LIMIT 1")
    command = ("factoryledger", "prove", "--message", f"{row}:0", "-o", "/tmp/one.proof")
    stack.inside(anchor, *command)
    said = stack.inside(anchor, "factoryledger", "verify", "/tmp/one.proof", "--ask", "--json")
    shown = json.loads(said.stdout)
    assert shown["verified"]
    (stamp,) = shown["stamps"]
    assert (stamp["kind"], stamp["lacking"]) == ("evm", None)
    assert "of chain 31337" in stamp["voucher"]
    # The node is asked for each receipt's block: none was lost with what the kills took.
    done = stack.inside(anchor, "factoryledger", "audit", "--ask", "--json", check=False)
    audited = json.loads(done.stdout)
    assert audited["findings"] == []
    assert audited["ledgers"][0]["receipts"] >= 2
