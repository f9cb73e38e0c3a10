"""`anchor monitor`: a log, mirrors and a witness over HTTP; evidence that `verify` checks."""

import json
import signal
import sys
from hashlib import sha256
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "anchor_verify"))

from rude_server import serving
from verify_logs import publish, write

from anchor.cosignature import cosign
from anchor.note import COSIGNATURE, Note, SignerKey
from anchor.policy import Witness, write_policy

KEY = SignerKey.from_seed("example.org/log", bytes(32))
WITNESS = SignerKey.from_seed("witness.example/w", b"\2" * 32, COSIGNATURE)
VKEY = str(KEY.verifier)
HASH = sha256(KEY.name.encode()).hexdigest()


def files_of(count, changed=None):
    return publish(KEY, [b"x" if i == changed else b"entry %d" % i for i in range(count)])


def cosigned(files):
    note = Note.from_bytes(files["checkpoint"])
    return note.with_signatures(cosign(WITNESS, note.text, 1_764_000_000)).to_bytes()


def pinned(tmp_path, url, quorum="none"):
    witness = Witness("w", WITNESS.verifier, url)
    (tmp_path / "policy").write_bytes(write_policy(KEY.verifier, None, [witness], quorum))
    return ["--policy", tmp_path / "policy"]


@pytest.mark.parametrize("size", [600, 400, 900])
def test_a_mirror_that_shows_another_history_is_convicted(command, tmp_path, size):
    with serving(files_of(600)) as log, serving(files_of(size, changed=7)) as mirror:
        policy = pinned(tmp_path, None)
        result = command("anchor", "monitor", log.url, mirror.url, *policy, "--json")
    assert result.code == 1
    said = json.loads(result.out)
    assert [(a["kind"], a["place"]) for a in said["alarms"]] == [("split-view", mirror.url)]
    (evidence,) = said["evidence"]
    verified = command("verify", evidence, *policy)
    assert verified.code == 0, "the evidence holds"
    assert f"The key of log {KEY.name}" in verified.out


def test_a_witness_that_saw_another_history_convicts_the_log(command, tmp_path):
    """No mirror, no second reader: what the witness cosigned is enough."""
    fork = files_of(600, changed=7)
    with serving({f"{HASH}/checkpoint": cosigned(fork)}) as witness, serving(files_of(600)) as log:
        policy = pinned(tmp_path, witness.url)
        result = command("anchor", "monitor", log.url, *policy)
        assert result.code == 1
        assert "split-view" in result.err
        assert len(list(Path("evidence").iterdir())) == 1


def test_all_that_agree_are_one_history_and_heads_are_kept(command, tmp_path):
    old = {f"{HASH}/checkpoint": cosigned(files_of(300))}
    with serving(old) as witness, serving(files_of(300)) as log, serving(files_of(700)) as mirror:
        at = ["anchor", "monitor", log.url, mirror.url, *pinned(tmp_path, witness.url)]
        assert command(*at).out == f"{KEY.name}: 700 entries, one history\n"
        assert list(json.loads(Path("monitor.json").read_text())["logs"]) == [VKEY]
        mirror.files = files_of(500)
        result = command(*at)
        assert (result.code, "rolled-back" in result.err) == (1, True)
        witness.files = {f"{HASH}/checkpoint": files_of(300)["checkpoint"]}
        mirror.files = files_of(700)
        result = command(*at)
        assert (result.code, "did not cosign" in result.err) == (1, True)
        witness.files = {}
        result = command(*at)
        assert result.code == 3
        assert witness.url in result.err


def test_a_head_below_the_quorum_is_false(command, tmp_path):
    with serving({f"{HASH}/checkpoint": cosigned(files_of(5))}) as witness:
        write(files_of(5), tmp_path / "log")
        at = ["anchor", "monitor", "log", *pinned(tmp_path, witness.url, "w")]
        assert command(*at).code == 1
        write({"checkpoint": cosigned(files_of(5))}, tmp_path / "log")
        assert command(*at).code == 0


OTHER = SignerKey.from_seed("other.example/log", b"\5" * 32)


def others(count, changed=None):
    return publish(OTHER, [b"x" if i == changed else b"other %d" % i for i in range(count)])


@pytest.mark.parametrize("pinned_by", ["vkeys", "policy"])
def test_several_logs_are_monitored_in_one_call(command, tmp_path, pinned_by):
    """Each by itself: places, heads and alarms of one are nothing to the other."""
    (tmp_path / "two").write_text(f"log {VKEY}\nlog {OTHER.verifier}\nquorum none\n")
    keys = {
        "vkeys": ["--vkey", VKEY, "--vkey", str(OTHER.verifier)],
        "policy": ["--policy", tmp_path / "two"],
    }[pinned_by]
    with serving(files_of(300)) as one, serving(others(40)) as two, serving(others(40)) as mirror:
        places = [f"{KEY.name}={one.url}", f"{OTHER.name}={two.url}", f"{OTHER.name}={mirror.url}"]
        at = ["anchor", "monitor", *places, *keys]
        said = command(*at)
        assert (said.code, said.out) == (
            0,
            f"{KEY.name}: 300 entries, one history\n{OTHER.name}: 40 entries, one history\n",
        )
        kept = json.loads(Path("monitor.json").read_text())["logs"]
        assert set(kept) == {VKEY, str(OTHER.verifier)}

        one.files, mirror.files = files_of(500), others(60, changed=3)
        said = command(*at, "--json")
        assert said.code == 1
        told = json.loads(said.out)
        assert told["logs"] == {KEY.name: 500, OTHER.name: 40}
        assert [(a["kind"], a["log"], a["place"]) for a in told["alarms"]] == [
            ("split-view", OTHER.name, mirror.url)
        ]
        [evidence] = told["evidence"]
        verified = command("verify", evidence, "--policy", tmp_path / "two")
        assert (verified.code, OTHER.name in verified.out) == (0, True)

        # A place that shows the other log, however well signed, is false.
        one.files, mirror.files = others(40), others(40)
        said = command(*at, "--json")
        assert said.code == 1
        assert [(a["kind"], a["log"], a["place"]) for a in json.loads(said.out)["alarms"]] == [
            ("head-false", KEY.name, one.url)
        ]


@pytest.mark.parametrize(
    ("places", "said"),
    [
        (["log"], "say of which log"),
        ([f"{KEY.name}=log"], f"no address of {OTHER.name}"),
        ([f"{KEY.name}=log", "else.example=log"], "say of which log"),
    ],
)
def test_of_several_logs_each_place_says_whose_it_is(command, tmp_path, places, said):
    keys = ["--vkey", VKEY, "--vkey", str(OTHER.verifier)]
    result = command("anchor", "monitor", *places, *keys)
    assert (result.code, said in result.err) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["monitor"],
        ["monitor", "log", "--vkey", VKEY, "--vkey", VKEY],
        ["monitor", "log", "--vkey", "nonsense"],
        ["monitor", "log", "--vkey", VKEY, "--policy", "p"],
        ["monitor", "log", "--vkey", VKEY, "--state", "false"],
    ],
)
def test_wrong_usage(command, tmp_path, arguments):
    write(files_of(5), tmp_path / "log")
    (tmp_path / "false").write_text("{}")
    assert command("anchor", *arguments).code == 2


@pytest.mark.e2e
def test_it_follows_until_it_is_stopped_and_tells_an_alarm_once(program, await_line, tmp_path):
    with serving(files_of(300)) as log, serving(files_of(300)) as mirror:
        at = ["anchor", "monitor", log.url, mirror.url, "--vkey", VKEY, "--follow", "--every", 0.02]
        files = ["--state", tmp_path / "s", "--evidence", tmp_path / "e"]
        process = program(*at, *files, FACTORYLEDGER_LOG_FORMAT="json")
        await_line(process, ": ready")
        log.files = files_of(600)
        mirror.files = files_of(600, changed=1)
        # Either may be asked first; which of two histories is the log's no monitor can know.
        await_line(process, "split-view")
        rounds = log.asked["checkpoint"]
        while log.asked["checkpoint"] < rounds + 3:
            pass
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "split-view" not in err, "told again although nothing changed"
    assert len(list((tmp_path / "e").iterdir())) == 1
