"""A log that was written anew with every key there is, against one authority's stamp of the old."""

import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509

sys.path.append(str(Path(__file__).parents[1] / "anchor_verify"))

from test_audit_outside import rewritten
from test_evidence_logs import rewritten as written_anew
from verify_logs import write
from verify_world import small_world, to_sqlite

from anchor.audit.receipts import Outside, kept_in
from anchor.audit.whole import audit
from anchor.ledgers.tsa.voucher import TsaVoucher
from anchor.proving.prove import prove
from anchor.proving.verify import verify
from anchor.reading.log_reader import FolderSource, LogReader
from factoryledger.cli import run


@pytest.fixture(scope="module")
def pinned(authority):
    roots = x509.load_pem_x509_certificates(authority.root.read_bytes())
    return {"office": TsaVoucher("office", roots)}


@pytest.fixture
def stamped(authority, tmp_path):
    """A log's folder whose second checkpoint the authority stamped."""
    world, _ = small_world()
    note = world.published_at[1]["checkpoint"]
    receipt = authority.stamp(authority.request(note))
    world.published[f"receipts/{sha256(note).hexdigest()}/office.tsr"] = receipt
    write(world.published, tmp_path / "kept")
    return world, tmp_path / "kept"


def audit_of(world, folder, pinned, kept):
    elsewhere = tuple(kept_in(FolderSource(kept), "kept/"))
    log = world.write_log(folder)
    outside = Outside(pinned, elsewhere)
    return audit(ledger=world.ledger, log=log, policy=world.policy, outside=outside)


def test_a_log_rewritten_with_every_key_is_caught_by_the_authority_alone(stamped, pinned, tmp_path):
    world, kept = stamped
    assert audit_of(world, tmp_path / "true", pinned, kept).clean
    false = rewritten()
    # Machines, collector, operator, log and witnesses: the same keys, and nothing inside tells.
    assert false.policy == world.policy
    found = audit_of(false, tmp_path / "false", pinned, kept)
    assert [finding.kind for finding in found.findings] == ["log-forked"]
    assert "the time-stamp authority CN=Test tsa saw it by" in found.findings[0].detail


def test_the_command_convicts_the_log_by_a_copy_of_its_stamped_folder(
    stamped, authority, tmp_path, capsys
):
    """With a file of evidence for somebody who has neither ledger nor store."""
    world, kept = stamped
    data, out = tmp_path / "d", tmp_path / "out"
    data.mkdir()
    to_sqlite(world.ledger, data / "ledger.db").close()
    (data / "policy").write_bytes(world.policy_bytes)
    (data / "root.pem").write_bytes(authority.root.read_bytes())
    (data / "ledgers.toml").write_text('[office]\nkind = "tsa"\nroots = ["root.pem"]\n')
    shutil.copytree(kept, data / "log")
    at = ["audit", "--data", str(data), "--receipts", str(kept)]
    assert run(at) == 0
    shutil.rmtree(data / "log")
    files = written_anew(world, "larger")
    write({n: d for n, d in files.items() if not n.startswith("checkpoints/")}, data / "log")
    capsys.readouterr()
    assert run([*at, "--evidence", str(out)]) == 1
    assert "the time-stamp authority CN=Test tsa saw it by" in capsys.readouterr().out
    [file] = out.iterdir()
    assert run(["verify", str(file), "--policy", str(data / "policy")]) == 0


def test_openssl_accepts_what_lies_in_the_folder(stamped, authority):
    _, kept = stamped
    (receipt,) = (kept / "receipts").glob("*/*.tsr")
    note = kept / "checkpoints" / receipt.parent.name
    command = ["openssl", "ts", "-verify", "-data", note, "-in", receipt, "-CAfile", authority.root]
    assert b"Verification: OK" in subprocess.run(command, check=True, capture_output=True).stdout


def test_a_proof_carries_the_authoritys_word(stamped, pinned):
    world, kept = stamped
    log = LogReader(FolderSource(kept), world.anchor.verifier)
    row = world.ledger.message_rows[0]
    proof = prove(ledger=world.ledger, log=log, policy=world.policy, row=row, vouchers=pinned)
    verified = verify(proof.to_bytes(), world.policy, pinned)
    assert [stamp.ledger for stamp in verified.stamps] == ["office"]
    # The world's witnesses lived in 2025: they vouch for an earlier time than the stamp does.
    assert verified.after_by.ledgers == ()
