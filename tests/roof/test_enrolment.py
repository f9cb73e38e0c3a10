"""Enrolment that reaches the broker: requests of real devices, certificates, who is shut out."""

import asyncio
import json
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep, time_ns

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from shipped_broker import Shipped

from factoryledger.broker_identity import certified
from factoryledger.data_dir import DataDir
from factoryledger.enrolment import Enrolments
from factoryledger.errors import WrongUsage
from factoryledger.gatewaying.keys import EnrollingKeys, GivenKeys
from telemetry.canonical import b64, time_text
from telemetry.errors import BrokerUnavailable
from telemetry.link import Link
from telemetry.signature import SigningKey

EXAMPLES = Path(__file__).parents[2] / "examples"
NOW = 1_795_000_000_000_000


def csr(name="m1", key=None):
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key or ec.generate_private_key(ec.SECP256R1()), SHA256()).public_bytes(
        Encoding.PEM
    )


def entry(key, name="m1", action="enrol", time=None, prior=None, gateway=None):
    time = time_ns() // 1000 if time is None else time
    version = 3 if gateway else 1
    text = f"factoryledger key entry v{version}\n{action} device {name}\ntime {time_text(time)}\n"
    text += f"signed-by gateway {gateway}\n" if gateway else ""
    text += f"key {b64(key.public_key)}\n" + (f"prior {prior}\n" if prior else "")
    held = key.sign(b"factoryledger/possession/v1\x00" + text.encode())
    return f"{text}possession {b64encode(held).decode()}\n".encode()


@pytest.fixture
def place(tmp_path, command):
    """A data folder with a broker's authority."""
    said = command(
        "init", "--data", tmp_path / "d", "--broker-host", "127.0.0.1", "--collectors", 1
    )
    assert said.code == 0, said.err
    return ["--data", tmp_path / "d"]


def asked(tmp_path, *parts):
    file = tmp_path / "request"
    file.write_bytes(b"".join(parts))
    return file


def in_use(place, name="m1"):
    keys = Enrolments(DataDir(place[1])).keys("device", name)
    return [key.public_key for key in keys if key.ended is None]


def test_a_request_enrols_a_key_that_the_device_alone_holds_and_certifies_another(
    command, place, tmp_path
):
    key = SigningKey.generate()
    said = command("device", "enrol", "m1", "--csr", asked(tmp_path, entry(key), csr()), *place)
    assert said.code == 0, said.err
    assert in_use(place) == [key.public_key]
    assert not (place[1] / "keys" / "device-m1.key").exists()
    machine = place[1] / "broker" / "machine"
    assert {path.name for path in machine.iterdir()} == {"ca.crt", "m1.crt"}
    granted = x509.load_pem_x509_certificate((machine / "m1.crt").read_bytes())
    granted.verify_directly_issued_by(
        x509.load_pem_x509_certificate((machine / "ca.crt").read_bytes())
    )
    # Again, as after an answer that was lost; and a renewal of the certificate alone.
    assert command("device", "enrol", "m1", "--csr", tmp_path / "request", *place).code == 0
    renewal = asked(tmp_path, csr())
    assert command("device", "enrol", "m1", "--csr", renewal, *place).code == 0
    assert in_use(place) == [key.public_key]


def test_a_key_takes_anothers_place_by_the_devices_own_word_alone(command, place, tmp_path):
    first, second = SigningKey.generate(), SigningKey.generate()
    request = asked(tmp_path, entry(first), csr())
    assert command("device", "enrol", "m1", "--csr", request, *place).code == 0
    prior = Enrolments(DataDir(place[1])).keys("device", "m1")[0].statement.hash.hex()
    said = command("device", "enrol", "m1", "--csr", asked(tmp_path, entry(second)), *place)
    assert (said.code, prior in said.err) == (2, True)
    rotation = entry(second, action="rotate", prior=prior)
    said = command("device", "enrol", "m1", "--csr", asked(tmp_path, rotation), *place)
    assert said.code == 0, said.err
    assert in_use(place) == [second.public_key]


def other_possession(key):
    lines = entry(key).split(b"\n")
    lines[4] = entry(SigningKey.generate()).split(b"\n")[4]
    return b"\n".join(lines)


@pytest.mark.parametrize(
    ("request_of", "why"),
    [
        (lambda key: entry(key) + csr("m2"), "for m2, not for m1"),
        (lambda key: entry(key, "m2") + csr(), "enrols no key of m1"),
        (lambda key: other_possession(key) + csr(), "possession"),
        (lambda key: entry(key, time=NOW - 3 * 86_400_000_000) + csr(), "not of the last day"),
        (lambda key: entry(key) + csr().replace(b"M", b"N", 3), "PEM|signature"),
        (
            lambda key: entry(key) + csr(key=rsa.generate_private_key(65537, 2048)),
            "neither on P-256 nor Ed25519",
        ),
        (lambda _: csr(), "without the device's key entry"),
        (lambda _: b"", "empty"),
        (lambda _: b"\xff\xfe", "neither text nor PEM"),
    ],
)
def test_a_request_that_does_not_hold_enrols_and_certifies_nothing(
    command, place, tmp_path, request_of, why
):
    request = asked(tmp_path, request_of(SigningKey.generate()))
    said = command("device", "enrol", "m1", "--csr", request, *place)
    assert said.code == 2
    assert any(part in said.err for part in why.split("|")), said.err
    assert in_use(place) == []
    assert not (place[1] / "broker" / "machine" / "m1.crt").exists()


def test_a_service_s_name_is_no_machine_s(command, place):
    """Its certificate would speak as the collector."""
    for name in ("collector.1", "anchor.1", "gateway.hall"):
        assert command("device", "enrol", name, *place).code == 2
        assert command("device", "gateway", name, "a/b", *place).code == 2
    for wrong in ("a", "a/b/c/d/e", "a/#", "a/+"):
        assert command("device", "gateway", "hall", wrong, *place).code == 2


@pytest.mark.e2e
def test_a_real_device_from_its_request_to_its_receipts_and_out(
    command, program, await_line, tmp_path
):
    """By the shipped examples, on the shipped broker; revoked, its connection ends."""
    # The broker may be another user, which may not enter pytest's folder.
    with TemporaryDirectory(prefix="factoryledger-device-") as folder:
        data, home = Path(folder) / "d", Path(folder) / "m1"
        home.mkdir()
        place = ["--data", data]
        assert command("init", *place, "--broker-host", "127.0.0.1", "--collectors", 1).code == 0
        python = [sys.executable, "-P", "-W", "error"]
        subprocess.run([*python, EXAMPLES / "real_device_request.py", "m1", home], check=True)
        request = home / "m1.request"
        assert command("device", "enrol", "m1", "--csr", request, *place).code == 0
        for name in ("m1.crt", "ca.crt"):
            (home / name).write_bytes((data / "broker" / "machine" / name).read_bytes())
        with Shipped(Path(folder) / "run", data / "broker" / "server", watched=True) as broker:
            at = {"FACTORYLEDGER_BROKER": str(broker.secure)}
            at["FACTORYLEDGER_BROKER_IDENTITY"] = "collector"
            collector = program("collect", *place, **at)
            await_line(collector, "ready")
            device = [*python, EXAMPLES / "real_device.py", "m1", home]
            device += ["127.0.0.1", str(broker.tls_port)]
            subprocess.run(device, input="20.5\n21\n21.5\n", text=True, check=True, timeout=30)
            counts = json.loads(command("stats", "--json", *place).out)
            assert counts["statuses"]["accepted"] == counts["stored"] == 3

            sending = subprocess.Popen(device, stdin=subprocess.PIPE, text=True)
            try:
                sending.stdin.write("22\n")
                sending.stdin.flush()
                await_stored(command, place, 4)
                said = command("device", "revoke", "m1", "--broker", broker.secure, *place)
                assert (said.code, in_use(place)) == (0, []), said.err
                asyncio.run(refused(broker.secure, certified(home, "m1").tls))
                # It lives, and whatever it still says does not come through.
                sending.stdin.write("23\n")
                sending.stdin.flush()
                assert sending.poll() is None
            finally:
                sending.kill()
                sending.communicate()
            collector.terminate()
            assert collector.wait(20) == 0
            counts = json.loads(command("stats", "--json", *place).out)
            assert counts["statuses"]["accepted"] == counts["stored"] == 4
        # A line for each end of its connection: the first by itself, the second by another's hand.
        assert broker.log.read_text().count("m1 already connected, closing old connection") or (
            "session taken over" in broker.log.read_text()
        )


async def refused(address, tls):
    with pytest.raises(BrokerUnavailable):
        async with Link(address, client_id="m1", tls=tls):
            pass


def await_stored(command, place, count):
    end = monotonic() + 20
    while json.loads(command("stats", "--json", *place).out)["stored"] < count:
        assert monotonic() < end
        sleep(0.05)


def test_a_key_that_a_gateway_holds_says_so_and_stays_so(command, place):
    """Through rotation, revocation and a new enrolment; nobody else signs with it."""
    said = command("device", "enrol", "plc", "--gateway", "line-4", *place)
    assert "signed by gateway line-4 on its behalf" in said.out
    for change in ("rotate", "revoke", "enrol"):
        assert command("device", change, "plc", *place).code == 0
    said = command("device", "list", "--json", *place)
    keys = json.loads(said.out)["keys"]
    assert [key["signed_by_gateway"] for key in keys] == ["line-4"] * 3
    enrolments = Enrolments(DataDir(place[1]))
    for holder in (None, "line-5"):
        with pytest.raises(WrongUsage, match="has its key held by gateway line-4"):
            enrolments.ensure_device("plc", holder)
    enrolments.ensure_device("m1")
    with pytest.raises(WrongUsage, match="machine m1 signs itself"):
        enrolments.ensure_device("m1", "line-4")
    assert command("device", "enrol", "plc", "--gateway", "Line 4", *place).code == 2


def test_a_message_cannot_make_a_gateway_sign_with_a_machine_s_key(place, tmp_path):
    """Not where the machine came after the gateway had started, nor end it by its name."""
    data = DataDir(place[1])
    keys = EnrollingKeys(data, "line-4", named=("plc",))
    assert keys.key("plc") is not None
    Enrolments(data).ensure_device("m1")
    assert keys.key("m1") is None
    assert [key.gateway for key in Enrolments(data).keys("device", "m1")] == [None]
    with pytest.raises(WrongUsage, match="machine m1 signs itself"):
        EnrollingKeys(data, "line-4", named=("m1",)).key("m1")


def test_a_gateway_away_from_the_operator_takes_no_key_that_its_mapping_does_not_name(
    place, tmp_path
):
    data = DataDir(place[1])
    data.devices(["plc", "m1", "former"])
    (tmp_path / "former.outbox").touch()
    keys = GivenKeys(data, ("plc",), tmp_path)
    assert keys.key("plc") is not None
    assert keys.key("former") is not None
    assert keys.key("m1") is None


def test_no_request_makes_a_gateway_s_key_a_machine_s_own_or_the_reverse(place):
    """A key that takes another's place is held by whom that one was; else it is revoked first."""
    enrolments = Enrolments(DataDir(place[1]))
    for device, before, after in (("plc", "line-4", None), ("m2", None, "line-4")):
        enrolments.ensure_device(device, before)
        prior = enrolments.keys("device", device)[0].statement.hash
        said = entry(SigningKey.generate(), device, "rotate", prior=prior.hex(), gateway=after)
        with pytest.raises(WrongUsage, match=rf"revoke .*`device revoke {device}`"):
            enrolments.take_request(device, said.decode())
        assert enrolments.revoke("device", device, None)
        said = entry(SigningKey.generate(), device, gateway=after)
        assert enrolments.take_request(device, said.decode()).gateway == after
