"""What `init` makes for a broker: whose name is whose, what is renewed, who is held by whom."""

import fcntl
import os
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from shipped_broker import COUNTS

from factoryledger.broker_book import Book
from factoryledger.broker_files import BrokerFiles
from factoryledger.broker_identity import certified, take_identity
from factoryledger.certificates import Authority, due, good_for, new_authority, serial
from factoryledger.errors import NotThere, WrongUsage
from factoryledger.shown_certificates import tls_context
from telemetry.canonical import is_segment

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def files(tmp_path):
    made = BrokerFiles(tmp_path / "broker")
    made.prepare("example.org/ledger", ["broker.plant", "10.0.0.7"], COUNTS)
    return made


def tree(files):
    return {path: path.read_bytes() for path in files.path.rglob("*") if path.is_file()}


def test_a_second_call_changes_nothing(files):
    files.machines(["m1"])
    before = tree(files)
    files.prepare("example.org/ledger", ["broker.plant", "10.0.0.7"], COUNTS)
    files.machines(["m1"])
    assert tree(files) == before


def test_other_hosts_and_more_collectors_change_what_depends_on_them(files):
    before = tree(files)
    files.prepare("example.org/ledger", ["broker.plant"], COUNTS | {"collector": 3})
    after = tree(files)
    changed = {path.name for path in before if after[path] != before[path]}
    assert changed == {
        *("server.crt", "server.key", "generation", "acl", "passwords", "crl.pem", "book.json")
    }
    made = {path.name for path in after.keys() - before.keys()}
    assert made == {f"collector.3.{kind}" for kind in ("key", "crt", "password")}


def test_private_keys_and_passwords_are_their_owners_alone(files):
    files.machines(["m1"])
    private = [p for p in tree(files) if p.suffix in {".key", ".password"} or "." not in p.name]
    assert len(private) > 10
    for path in private:
        if path.name not in {"generation", ".lock"}:
            assert path.stat().st_mode & 0o077 == 0, path


def test_no_name_of_a_part_could_be_a_machine_s(files):
    names = {name for names in Book(counts=dict(COUNTS)).clients().values() for name in names}
    assert len(names) == sum(COUNTS.values())
    assert not any(map(is_segment, names))


def test_the_acl_has_a_block_for_each_client_and_none_for_a_role(files):
    acl = (files.server / "acl").read_text().splitlines()
    users = [line.removeprefix("user ") for line in acl if line.startswith("user ")]
    assert users == ["simulator.1", "collector.1", "collector.2", "anchor.1", "watch.1", "watch.2"]


def test_the_acl_of_gateways_edge_nodes_and_of_who_is_shut_out(files):
    files.gateway("gateway.hall", ["acme/berlin"])
    files.machines(["berlin_hall_1"], {"berlin_hall_1": ["press-01"]})
    files.shut_out("m9")
    acl = (files.server / "acl").read_text()
    assert "user gateway.hall\ntopic write acme/berlin/+/+/+/telemetry\n" in acl
    assert "user berlin_hall_1\ntopic read ledger/receipt/press-01\n" in acl
    assert acl.endswith("user m9\ntopic deny #\n")
    files.shut_out("berlin_hall_1")
    acl = (files.server / "acl").read_text()
    assert "press-01" not in acl
    assert "user berlin_hall_1\ntopic deny #" in acl
    files.machines(["berlin_hall_1"])  # as who starts again would
    assert "user berlin_hall_1\ntopic deny #" in (files.server / "acl").read_text()
    files.machines(["berlin_hall_1"], readmit=True)
    assert "deny #\n\nuser m9" not in (files.server / "acl").read_text()


def test_the_acl_of_a_host_application_and_of_one_that_is_shut_out(files):
    files.gateway("gateway.hall", ["acme/berlin"])
    files.host("host.scada", "scada")
    acl = (files.server / "acl").read_text()
    assert "user host.scada\ntopic read spBv1.0/#\ntopic write spBv1.0/STATE/scada\n" in acl
    for client in ("host.scada", "gateway.hall"):
        files.shut_out(client)
    acl = (files.server / "acl").read_text()
    assert acl.count("user host.scada\n") == acl.count("user gateway.hall\n") == 1


def revoked(files):
    listed = x509.load_pem_x509_crl((files.server / "crl.pem").read_bytes())
    return {one.serial_number for one in listed}


def test_a_rotated_and_a_revoked_certificate_are_listed(files):
    files.machines(["m1", "m2"])
    machine = files.path / "machine"
    first, second = (serial((machine / f"{name}.crt").read_bytes()) for name in ("m1", "m2"))
    assert revoked(files) == set()
    files.rotate("m1")
    assert revoked(files) == {first}
    assert "user m1\n" not in (files.server / "acl").read_text()
    files.shut_out("m2")
    assert revoked(files) == {first, second}
    assert not (machine / "m2.crt").exists()


def test_certificates_end_are_renewed_in_time_and_are_for_one_side_only():
    authority = Authority.from_pem(new_authority("example.org/ledger", NOW))
    server = authority.server(["broker.plant", "::1"], NOW)
    client = authority.client("m1", NOW)
    assert good_for(server.certificate, ["broker.plant", "::1"])
    assert not good_for(server.certificate, ["broker.plant"])
    assert [due(client.certificate, NOW + timedelta(days=d)) for d in (0, 480, 500, 800)] == [
        *(False, False, True, True)
    ]
    uses = [
        x509.load_pem_x509_certificate(pair.certificate)
        .extensions.get_extension_for_class(x509.ExtendedKeyUsage)
        .value
        for pair in (server, client)
    ]
    assert [[use._name for use in one] for one in uses] == [["serverAuth"], ["clientAuth"]]
    root = x509.load_pem_x509_certificate(authority.certificate)
    limits = root.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (limits.ca, limits.path_length) == (True, 0)


def test_each_takes_a_client_that_nobody_holds_and_lets_go_when_it_is_killed(files):
    role = [files.path, "collector"]
    first = take_identity(*role)
    held = "import sys; from pathlib import Path; from factoryledger.broker_identity import *; "
    held += f"print(take_identity(Path({str(files.path)!r}), 'collector').name, flush=True); "
    other = subprocess.Popen(
        [sys.executable, "-c", held + "sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert (first.name, other.stdout.readline()) == ("collector.1", "collector.2\n")
    with pytest.raises(NotThere, match="all 2 clients are in use"):
        take_identity(*role)
    other.kill()
    other.communicate()
    second = take_identity(*role)
    assert second.name == "collector.2"
    for one in (first, second):
        fcntl.flock(one.descriptor, fcntl.LOCK_UN)
        os.close(one.descriptor)


def test_what_tls_cannot_use_is_named(files, tmp_path):
    machine = files.path / "machine"
    files.machines(["m1"])
    with pytest.raises(NotThere, match=r"m7\.crt"):
        certified(machine, "m7")
    with pytest.raises(WrongUsage, match="belong together"):
        tls_context(None, tmp_path / "x.crt", None)
    wrong = tmp_path / "wrong"
    wrong.write_text("no PEM\n")
    with pytest.raises(WrongUsage, match="not what TLS can use"):
        tls_context(wrong, None, None)
    with pytest.raises(NotThere, match="--broker-host"):
        take_identity(tmp_path, "anchor")
    assert tls_context(None, None, None).verify_mode is ssl.CERT_REQUIRED
