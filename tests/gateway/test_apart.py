"""A gateway away from the operator: keys by request, the shipped broker, its TLS and ACL."""

import json
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "survival"))

from gateway_line import Client, called
from secure_line import SecureLine
from survival_line import Line, until

from factoryledger.broker import LocalBroker
from factoryledger.data_dir import DataDir
from factoryledger.enrolment import Enrolments

pytestmark = pytest.mark.e2e

MAPPING = """
gateway = "edge-1"
place = "acme/north/milling/line-4"
[[rule]]
topic = "plc/data"
device = "plc-1"
readings.x = { pointer = "/x" }
[[rule]]
topic = "plc/other"
device = "plc-2"
area = "elsewhere"
"""


@pytest.fixture
def line():
    """Over mutual TLS; not in pytest's folder, which the broker may not enter."""
    with (
        TemporaryDirectory(prefix="factoryledger-gateway-") as folder,
        SecureLine(Path(folder), drain=1.5) as line,
    ):
        yield line


@pytest.mark.long
def test_keys_by_request_a_certificate_of_its_own_and_no_place_but_its_own(line):
    """It signs with keys that never leave it; where the ACL does not let it speak, all is held."""
    line.collector().start()
    edge, asked, mapping = (line.folder / name for name in ("edge", "asked", "m.toml"))
    mapping.write_text(MAPPING, encoding="utf-8")
    edge.mkdir()
    at = ["gateway", mapping, "--data", edge, "--broker", line.address]
    assert "copy that of the ledger" in called(*at, "--request", asked, code=2)
    shutil.copy(line.data / "policy", edge / "policy")
    assert "gateway MAPPING --request" in called(*at, code=3)
    called(*at, "--request", asked)
    for device in ("plc-1", "plc-2"):
        line.good("device", "enrol", device, "--csr", asked / f"{device}.request")
    keys = Enrolments(DataDir(line.data)).keys("device")
    assert {(key.statement.name, key.gateway) for key in keys} == {
        ("plc-1", "edge-1"), ("plc-2", "edge-1"),
    }  # fmt: skip
    assert not list((line.data / "keys").glob("device-*")), "they never left the gateway"
    line.good("device", "gateway", "edge-1", "acme/north/milling/line-4")
    shown = line.data / "broker" / "machine"
    line.under(
        {
            "FACTORYLEDGER_BROKER_CA_FILE": str(shown / "ca.crt"),
            "FACTORYLEDGER_BROKER_CERTIFICATE_FILE": str(shown / "gateway.edge-1.crt"),
            "FACTORYLEDGER_BROKER_KEY_FILE": str(shown / "gateway.edge-1.key"),
        }
    )
    with LocalBroker(0, line.folder / "source", embedded=False) as source:
        gateway = Line.program(line, "gateway", *at, "--source", source.address, "--json")
        gateway.start()
        with Client(source.address, "") as machine:
            machine.play([("plc/data", {"x": n}) for n in range(5)])
            until(lambda: line.counts().get("plc-1") == 6, "five and a birth")
            machine.play([("plc/other", {"x": 1})])
            until(lambda: b"plc-2" in (edge / "gateway/edge-1/devices.json").read_bytes(), "known")
        gateway.stop(3)
    tally = gateway.results()[-1]
    assert (tally["signed"], tally["held"]) == (6, 2)
    assert line.counts() == {"plc-1": 6}
    payloads = line.query("select payload from messages where device = 'plc-1'")
    assert {json.loads(one).get("source", {}).get("topic") for (one,) in payloads} == {
        None, "plc/data",
    }  # fmt: skip
