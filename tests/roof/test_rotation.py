"""Keys rotated by the command, in a ledger that goes on."""

import json
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "anchor_verify"))

from verify_logs import publish, write

from anchor.checkpoint import Checkpoint, sign_checkpoint
from anchor.cosignature import cosign
from anchor.errors import Malformed, Refused
from anchor.key_entry import OperatorAuthority
from anchor.note import COSIGNATURE, Note, SignerKey
from anchor.policy import Policy
from collector.store_reader import LedgerReader
from factoryledger.data_dir import DataDir, bare
from factoryledger.enrolment import Enrolments
from factoryledger.identity import identity_of
from telemetry.keyring import Keyring


def as_json(result):
    assert result.code == 0, result.err
    return json.loads(result.out)


@pytest.fixture
def begun(command, tmp_path):
    """A ledger whose one recording is half ingested: its collector has a batch, and goes on."""
    data, recording = tmp_path / "d", tmp_path / "r.jsonl"
    made = ["--machines", 2, "--duration", 6, "--seed", 3]
    assert command("simulate", *made, "--out", recording).code == 0
    return data, recording


def test_a_rotated_collector_goes_on_in_its_log(command, begun):
    """Two files' collectors, one of them rotated in the middle of its file."""
    data, recording = begun
    whole = recording.read_bytes()
    lines = whole.splitlines(keepends=True)
    place = ["--data", data]
    # Cut in the middle: it is ingested as far as it goes, and its collector resumes later.
    assert command("init", *place).code == 0
    assert command("ingest", recording, *place).code == 0
    assert len(lines) > 6
    before = DataDir(data)
    [stem] = [stem for stem in before.keys.stems() if stem.startswith("collector-")]
    name = stem.removeprefix("collector-")
    old = before.keys.read(stem)

    rotated = command("keys", "rotate", "collector", name, *place)
    assert (rotated.code, "restart the collector" in rotated.out) == (0, True)
    new = DataDir(data).keys.read(stem)
    assert old.verifier != new.verifier
    assert not DataDir(data).keys.exists(f"{stem}.next")

    identity = identity_of(DataDir(data), name)
    assert identity.vkey == str(new.verifier)
    assert b"\nrotate collector " in identity.key_entry
    assert command("ingest", recording, *place).code == 0
    with LedgerReader(f"sqlite:///{data / 'ledger.db'}") as ledger:
        assert [row.id for row in ledger.collectors()] == [name]
    assert command("anchor", "--once", *place).code == 0
    assert as_json(command("audit", *place, "--json"))["findings"] == []


@pytest.mark.parametrize("step", ["prepared", "signed"])
def test_a_rotation_that_was_cut_short_is_gone_on_with(command, begun, step, monkeypatch):
    data, recording = begun
    place = ["--data", data]
    assert command("ingest", recording, *place).code == 0
    folder = DataDir(data)
    [stem] = [stem for stem in folder.keys.stems() if stem.startswith("collector-")]
    name = stem.removeprefix("collector-")

    class CutError(Exception):
        pass

    def cut(*_):
        raise CutError

    with monkeypatch.context() as patch:
        owner, method = (
            (Enrolments, "_take") if step == "prepared" else (type(folder.keys), "settle")
        )
        patch.setattr(owner, method, cut)
        with pytest.raises(CutError):
            Enrolments(folder).rotate_collector(name)
    prepared = DataDir(data).keys.next(stem)

    if step == "signed":
        # The collector's next start makes it so.
        assert identity_of(DataDir(data), name).vkey == str(prepared.verifier)
    else:
        assert identity_of(DataDir(data), name).vkey != str(prepared.verifier)
        assert command("keys", "rotate", "collector", name, *place).code == 0
    assert DataDir(data).keys.read(stem).verifier == prepared.verifier
    assert len(Enrolments(DataDir(data)).keys("collector", name)) == 2


@pytest.mark.parametrize("kind", ["collector", "device"])
def test_two_rotations_at_once_follow_each_other(command, tmp_path, kind):
    """Both began before either was done: the key that lies here is one that is certified."""
    command("init", "--data", tmp_path)
    data = DataDir(tmp_path)
    identity_of(data, "one")
    Enrolments(data).ensure_device("one")
    both = [Enrolments(data), Enrolments(data)]
    for each in both:
        getattr(each, f"rotate_{kind}")("one")
    authority, keyring = OperatorAuthority(data.operator.verifier), Keyring()
    for _, entry in data.requests.after(""):
        keyring.apply(authority.read(entry))
    [alive] = [key for key in Enrolments(data).keys(kind, "one") if key.ended is None]
    assert bare(data.keys.read(f"{kind}-one")).public_key == alive.public_key


def test_which_collector_has_to_be_said_where_none_or_several_are(command, tmp_path):
    place = ["--data", tmp_path]
    command("init", *place)
    assert "name the collector" in command("keys", "rotate", "collector", *place).err
    for name in ("one", "two"):
        identity_of(DataDir(tmp_path), name)
    said = command("keys", "rotate", "collector", *place)
    assert (said.code, "one, two" in said.err) == (2, True)
    assert command("keys", "rotate", "collector", "two", *place).code == 0
    assert command("keys", "rotate", "collector", "three", *place).code == 2


# -- the anchor log's key -----------------------------------------------------------------------


def enrol_and_anchor(command, place, device):
    assert command("device", "enrol", device, *place).code == 0
    assert command("anchor", "--once", *place).code == 0


def head(data):
    """The published checkpoint's size and its log's key id, which comes first."""
    note = Note.from_bytes((data / "log" / "checkpoint").read_bytes())
    return int(note.text.split("\n")[1]), note.signatures[0].id


def test_the_log_s_key_is_rotated_and_old_proofs_stand(command, ledger, tmp_path):
    place = ["--data", ledger.path]
    assert command("prove", "-o", "old.proof", *place).code == 0
    before = DataDir(ledger.path)
    old_policy = tmp_path / "old.policy"
    old_policy.write_bytes(before.policy_file.read_bytes())
    size, old_id = head(ledger.path)
    assert old_id == before.anchor.verifier.id

    said = command("keys", "rotate", "log", *place)
    assert (said.code, f"entry {size} brings key" in said.out) == (0, True), said.err
    after = DataDir(ledger.path)
    assert after.policy().log == after.anchor.verifier != before.anchor.verifier
    [former] = after.policy().former
    assert (former.key, former.size) == (before.anchor.verifier, size)
    assert command("audit", *place).code == 0  # before the anchor has published again
    assert command("verify", "old.proof", *place).code == 0

    enrol_and_anchor(command, place, "mill-09")
    assert head(ledger.path) == (size + 2, after.anchor.verifier.id)
    audited = as_json(command("audit", *place, "--json"))
    assert audited["findings"] == []
    assert command("prove", "-o", "new.proof", *place).code == 0
    assert command("verify", "old.proof", "new.proof", *place).code == 0
    trusted = ["--policy", old_policy]
    assert command("verify", "old.proof", *trusted).code == 0
    assert command("anchor", "--once", *place, *trusted).code == 2


def test_the_former_key_counts_no_further_than_its_rotation(command, ledger):
    """Stolen later, it signs a larger tree: refused under the policy, as is the folder."""
    place = ["--data", ledger.path]
    old = DataDir(ledger.path).anchor
    assert command("keys", "rotate", "log", *place).code == 0
    enrol_and_anchor(command, place, "mill-09")
    file = ledger.path / "log" / "checkpoint"
    checkpoint = Checkpoint.from_text(Note.from_bytes(file.read_bytes()).text)
    forged = sign_checkpoint(checkpoint, old)
    with pytest.raises(Refused, match="counts up to size"):
        DataDir(ledger.path).policy().open(forged)
    file.write_bytes(forged)
    assert command("audit", *place).code == 1
    assert command("anchor", "--once", *place).code == 1


def test_the_log_s_key_is_rotated_again_and_again(command, ledger):
    place = ["--data", ledger.path]
    assert command("prove", "-o", "first.proof", *place).code == 0
    for number in range(3):
        assert command("keys", "rotate", "log", *place).code == 0
        enrol_and_anchor(command, place, f"mill-1{number}")
    policy = DataDir(ledger.path).policy()
    assert [former.size for former in policy.former] == sorted(f.size for f in policy.former)
    assert len({policy.log, *(former.key for former in policy.former)}) == 4
    assert as_json(command("audit", *place, "--json"))["findings"] == []
    assert command("verify", "first.proof", *place).code == 0


@pytest.mark.parametrize("named", [True, False])
def test_the_log_alone_is_audited_over_a_rotation(command, ledger, tmp_path, monkeypatch, named):
    """By the policy: no kept checkpoint is blamed, and what was seen under the old key holds."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "states"))
    place = ["--data", ledger.path]
    by_policy = ["--policy", ledger.path / "policy", "--json"]
    if named:
        by_policy += ["--state", tmp_path / "seen"]
    log = tmp_path / "copy"
    shutil.copytree(ledger.path / "log", log)
    assert as_json(command("tlog", "audit", log, *by_policy))["findings"] == []
    assert command("keys", "rotate", "log", *place).code == 0
    enrol_and_anchor(command, place, "mill-09")
    shutil.rmtree(log)
    other = DataDir(ledger.path).anchor
    write(publish(other, [b"another history"] * 40), log)
    forked = command("tlog", "audit", log, *by_policy)
    assert [each["kind"] for each in json.loads(forked.out)["findings"]] == ["log-forked"]
    shutil.rmtree(log)
    shutil.copytree(ledger.path / "log", log)
    assert as_json(command("tlog", "audit", log, *by_policy))["findings"] == []


@pytest.mark.parametrize("step", ["appended", "policy"])
def test_a_rotation_of_the_log_that_was_cut_short_signs_nothing(command, ledger, step, monkeypatch):
    """Between the entry and the key's change no anchor signs; the command completes it."""
    place = ["--data", ledger.path]
    before = head(ledger.path)

    class CutError(Exception):
        pass

    def cut(*_, **__):
        raise CutError

    folder = DataDir(ledger.path)
    with monkeypatch.context() as patch:
        if step == "appended":
            patch.setattr("factoryledger.data_dir.rotate_in_policy", cut)
        else:
            patch.setattr(type(folder.keys), "settle", cut)
        with pytest.raises(CutError):
            folder.rotate_log(folder.log)
    command("device", "enrol", "mill-09", *place)
    stopped = command("anchor", "--once", *place)
    assert stopped.code in {1, 2}
    assert "run `factoryledger keys rotate log` again, which completes it" in stopped.err
    assert head(ledger.path) == before
    assert command("keys", "rotate", "log", *place).code == 0
    assert len(DataDir(ledger.path).policy().former) == 1
    assert command("anchor", "--once", *place).code == 0
    assert as_json(command("audit", *place, "--json"))["findings"] == []


@pytest.mark.parametrize(
    "line",
    [
        "# factoryledger-former-log",
        "# factoryledger-former-log {other} 3",
        "# factoryledger-former-log {former} -1",
        "# factoryledger-former-log {former} 03",
        "# factoryledger-former-log {former} 3 4",
        "# factoryledger-former-log {log} 3",
        "# factoryledger-former-log {former} 3\n# factoryledger-former-log {former} 4",
    ],
)
def test_a_policy_with_a_false_former_log_is_refused(line):
    log, former, other = (
        SignerKey.from_seed(name, bytes([n]) * 32).verifier
        for n, name in enumerate(("a.example/log", "a.example/log", "b.example/log"))
    )
    said = line.format(log=log, former=former, other=other)
    with pytest.raises(Malformed):
        Policy.from_bytes(f"{said}\nlog {log}\nquorum none\n".encode())
    good = f"# factoryledger-former-log {former} 3\nlog {log}\nquorum none\n".encode()
    assert Policy.from_bytes(good).former[0].size == 3


# -- a witness's key ----------------------------------------------------------------------------


def cosigned(data, names):
    """A checkpoint of the data folder's log, cosigned by these keys."""
    folder = DataDir(data)
    head = Checkpoint(folder.origin, 3, bytes(32))
    note = Note.from_bytes(sign_checkpoint(head, folder.anchor))
    return note.with_signatures(*(cosign(key, note.text, 1_764_000_000) for key in names))


@pytest.mark.parametrize("others", [[], ["two"], ["two", "three"]])
def test_either_key_of_a_witness_counts_until_the_rotation_is_ended(command, tmp_path, others):
    data = tmp_path / "d"
    place = ["--data", data]
    named = [part for name in ["one", *others] for part in ("--witness", f"{name} http://[::1]:1")]
    assert command("init", *place, *named).code == 0
    folder = DataDir(data)
    rest = [folder.witness(name) for name in others]
    old = folder.witness("one")

    assert command("keys", "rotate", "witness", "one", *place).code == 0
    new = DataDir(data).next_witness("one")
    assert new.verifier != old.verifier
    for mine in ([old], [new], [old, new]):
        DataDir(data).policy().open(cosigned(data, [*mine, *rest]).to_bytes())
    with pytest.raises(Refused, match="quorum"):
        DataDir(data).policy().open(cosigned(data, rest).to_bytes())
    for missing in range(len(rest)):
        some = [*rest[:missing], *rest[missing + 1 :]]
        with pytest.raises(Refused, match="quorum"):
            DataDir(data).policy().open(cosigned(data, [old, new, *some]).to_bytes())
    assert command("keys", "rotate", "witness", "one", *place).code == 2  # one at a time

    assert command("keys", "rotate", "witness", "one", "--finish", *place).code == 0
    assert DataDir(data).witness("one").verifier == new.verifier
    DataDir(data).policy().open(cosigned(data, [new, *rest]).to_bytes())
    with pytest.raises(Refused, match="quorum"):
        DataDir(data).policy().open(cosigned(data, [old, *rest]).to_bytes())
    assert b"-next" not in DataDir(data).policy_file.read_bytes()
    assert command("keys", "rotate", "witness", "one", "--finish", *place).code == 2


def test_a_witness_elsewhere_brings_its_own_key(command, tmp_path):
    keys = [SignerKey.generate("far.example", COSIGNATURE) for _ in range(2)]
    place = ["--data", tmp_path / "d"]
    command("init", *place, "--witness", f"far {keys[0].verifier} http://[::1]:1")
    rotate = ["keys", "rotate", "witness", "far", *place]
    assert command(*rotate, "--vkey", keys[1].verifier).code == 0
    assert command(*rotate, "--finish", "--vkey", keys[1].verifier).code == 2
    assert command(*rotate, "--finish").code == 0
    assert DataDir(tmp_path / "d").policy().witnesses["far"].key == keys[1].verifier
    assert command("keys", "rotate", "witness", "near", *place).code == 3
