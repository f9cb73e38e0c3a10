"""docker-compose.yml, read without an engine: what every engine and every user relies on.

What only an engine can show is in tests/compose.
"""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
FILE = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES = FILE["services"]
BOARD = ROOT / "docs" / "observability"
WITNESSES = ("operator", "customer", "regulator")


def mounts(name):
    """What a service mounts, as (source, target, how)."""
    for one in SERVICES[name].get("volumes", ()):
        if isinstance(one, dict):
            yield one["source"], one["target"], ""
        else:
            source, target, *how = one.split(":")
            yield source, target, "".join(how)


def holders(volume):
    """The services that mount a volume."""
    return {name for name in SERVICES for source, _, _ in mounts(name) if source == volume}


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_confined_and_bounded(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"] > 0
    assert service["mem_limit"]
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert not {"privileged", "cap_add", "devices", "pid", "ipc"} & set(service)
    assert all(":size=" in place for place in service.get("tmpfs", ())), "a tmpfs has a size"
    once = name.startswith("key-") or name in {"init", "operator", "contract"}
    assert service["restart"] == ("no" if once else "unless-stopped")


def test_an_engine_of_release_24_takes_it():
    """Docker 24 has no `start_interval`; Compose then refuses to start anything at all."""
    for name, service in SERVICES.items():
        assert "start_interval" not in service.get("healthcheck", {}), name


@pytest.mark.parametrize(("answers", "code"), [([503, 503, 200], 0), ([503], 1)])
def test_the_health_check_waits_a_little_for_a_part_that_starts(answers, code):
    left, asked = list(answers), []

    class Part(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(left.pop(0) if len(left) > 1 else left[0])
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Part) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [sys.executable, ROOT / "docker" / "ready", str(server.server_port)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        server.shutdown()
    assert (done.returncode, done.stderr) == (code, "")
    assert set(asked) == {"/readyz"}
    assert len(asked) >= len(answers)


def test_ports_of_the_host_are_on_loopback_unless_it_is_asked_for():
    asked = "${FACTORYLEDGER_ADDRESS:-127.0.0.1}:"
    for name, service in SERVICES.items():
        # Prometheus lets everybody in who reaches it.
        address = "127.0.0.1:" if name == "prometheus" else asked
        assert all(port.startswith(address) for port in service.get("ports", ())), name
    assert len(SERVICES["mosquitto"]["ports"]) == len(SERVICES["web"]["ports"]) == 1


def test_no_secret_is_in_the_environment():
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if "PASSWORD" in variable:
                assert variable.endswith("_FILE"), name
                assert value.startswith(("/secrets/", "/proc/sys/kernel/random/")), name


def test_what_is_mounted_is_there_and_can_not_be_written():
    for name in SERVICES:
        for source, _, how in mounts(name):
            if source.startswith("."):
                assert (ROOT / source).exists(), source
                assert how == "ro", source
            else:
                assert source in FILE["volumes"], source


def test_witnesses_share_no_volume_that_one_of_them_can_write():
    written = {
        name: {source for source, _, how in mounts(f"key-{name}") if how != "ro"}
        for name in WITNESSES
    }
    assert all(written.values())
    assert not written["operator"] & written["customer"]
    assert not (written["operator"] | written["customer"]) & written["regulator"]
    for name in WITNESSES:
        assert f"witness-{name}" in written[name]
        # Its key is its own two services' alone, and only `init` reads what it published.
        holders = {one for one in SERVICES for s, _, _ in mounts(one) if s == f"witness-{name}"}
        readers = {
            one for one in SERVICES for s, _, _ in mounts(one) if s == f"introduction-{name}"
        }
        assert holders == {f"key-{name}", f"witness-{name}"}
        assert readers == {f"key-{name}", "init", "operator"}
    for source, _, how in mounts("init"):
        assert not source.startswith("introduction") or how == "ro"


def test_grafana_finds_what_is_mounted_for_it():
    """No Grafana can be had for tests: its files are held against each other instead."""
    at = {target: source for source, target, _ in mounts("grafana")}
    (provider,) = YAML(typ="safe").load(
        (BOARD / "grafana" / "dashboards" / "factoryledger.yml").read_text("utf-8")
    )["providers"]
    (source,) = YAML(typ="safe").load(
        (BOARD / "grafana" / "datasources" / "prometheus.yml").read_text("utf-8")
    )["datasources"]
    for kind in ("datasources", "dashboards"):
        folder = ROOT / at[f"/etc/grafana/provisioning/{kind}"]
        assert [file.suffix for file in folder.iterdir()] == [".yml"]
    boards = [file for file in at if file.startswith(provider["options"]["path"] + "/")]
    assert boards
    for board in boards:
        shown = json.loads((ROOT / at[board]).read_text("utf-8"))
        used = {panel["datasource"]["uid"] for panel in shown["panels"] if "datasource" in panel}
        (variable,) = shown["templating"]["list"]
        assert used <= {source["uid"], f"${{{variable['name']}}}"}
        assert variable["current"]["value"] == source["uid"]
    host, _, port = source["url"].removeprefix("http://").partition(":")
    assert set(SERVICES[host]["networks"]) & set(SERVICES["grafana"]["networks"])
    assert SERVICES[host]["ports"][0].endswith(f":{port}")
    password = SERVICES["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD__FILE"]
    assert any(password.startswith(target + "/") for target in at)
