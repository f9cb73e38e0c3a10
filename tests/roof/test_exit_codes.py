"""Bad input and missing things: the exit code, one sentence, never a traceback."""

import base64
import json
import socket
import sqlite3
import ssl
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from anchor.errors import Malformed, Refused
from anchor.keeping.sqlite import open_reader
from collector.errors import LogInDoubt, StoreLocked
from factoryledger.broker import free_port
from factoryledger.exits import Exit, exit_for
from factoryledger.identity import anchored_size
from factoryledger.installation import installation
from telemetry.errors import LinkLost


def one_sentence(result, code):
    assert result.code == code
    assert result.err.count("\n") == 1
    assert result.err.startswith("factoryledger: ")
    assert "Traceback" not in result.err
    return result.err


@pytest.mark.parametrize("arguments", [["collect"], ["watch"], ["record", "-o", "r.jsonl"]])
def test_no_broker_names_the_address_and_what_to_try(command, tmp_path, arguments):
    address = f"mqtt://127.0.0.1:{free_port()}"

    said = one_sentence(command(*arguments, "--broker", address), 3)

    assert address in said
    assert "is it running" in said
    assert not (tmp_path / "r.jsonl").exists()


def test_a_broken_line_names_file_line_and_reason_and_keeps_what_came_before(command, tmp_path):
    recording = tmp_path / "broken.jsonl"
    good = (
        '{"topic":"t/%d","payload":"x","timestamp":"2026-05-12T10:28:31Z","qos":1,"retain":false}\n'
    )
    recording.write_text(good % 1 + good % 2 + '{"topic": "t/3", "payload"\n' + good % 4)

    said = one_sentence(command("ingest", recording, "--data", "d"), 2)

    assert f"{recording}:3" in said or (str(recording) in said and "line 3" in said)
    with closing(sqlite3.connect(tmp_path / "d" / "ledger.db")) as store:
        kept = store.execute("select topic from messages order by position").fetchall()
    assert kept == [("t/1",), ("t/2",)]


def test_a_tampered_proof_is_one_sentence(command, ledger, tmp_path):
    proof = tmp_path / "p.proof"
    assert command("prove", "--data", ledger.path, "-o", proof).code == 0
    assert command("verify", proof, "--data", ledger.path).code == 0

    members = json.loads(proof.read_text())
    payload = bytearray(base64.b64decode(members["payload"]))
    payload[20] ^= 1
    members["payload"] = base64.b64encode(payload).decode()
    proof.write_text(json.dumps(members, separators=(",", ":")) + "\n")
    result = command("verify", proof, "--data", ledger.path)

    assert result.code == 1
    assert result.out == ""
    assert result.err.count("\n") == 1
    assert "payload" in result.err
    machine = command("verify", proof, "--data", ledger.path, "--json")
    assert json.loads(machine.out)["verified"] is False


@pytest.mark.parametrize("damage", [lambda data: data[:40], lambda data: b"x" + data[1:]])
def test_a_collector_that_cannot_follow_the_log_names_its_folder(ledger, damage):
    checkpoint = ledger.path / "log" / "checkpoint"
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    with installation(data=ledger.path) as place:
        with pytest.raises((Refused, Malformed)) as failed:
            anchored_size(place, "any")
        code, said = exit_for(failed.value)
    assert code in {Exit.FALSE, Exit.USAGE}
    assert str(ledger.path / "log") in said


def test_too_little_memory_is_said_as_that():
    assert exit_for(MemoryError()) == (
        Exit.MISSING,
        "there is not enough memory for what it was given to read",
    )


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\xff\xfe", b"{}\n", b"[1]\n"])
def test_a_file_that_is_no_proof_is_opened_and_not_valid(command, ledger, tmp_path, damage):
    (tmp_path / "no.proof").write_bytes(damage)

    assert command("verify", tmp_path / "no.proof", "--data", ledger.path).code == 1


def test_trust_never_comes_from_beside_the_proof(command, ledger, tmp_path):
    proof = tmp_path / "p.proof"
    command("prove", "--data", ledger.path, "-o", proof)
    command("init", "--data", "stranger")

    assert command("verify", proof, "--data", "stranger").code == 1
    one_sentence(command("verify", proof, "--data", "nowhere"), 2)
    one_sentence(command("verify", "nowhere.proof", "--data", ledger.path), 2)
    one_sentence(command("verify", proof, "--policy", "nowhere"), 2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["stats", "--frobnicate"],
        ["verify"],
        ["collect", "--broker", "example.com"],
        ["collect", "--broker", "mqtt://user:secret@example.com"],
        ["replay", "x.jsonl", "--speed", "-1"],
        ["replay", "x.jsonl", "--qos", "7"],
        ["simulate", "--out", "x.jsonl"],
        ["simulate", "--machines", "0"],
        ["simulate", "--scenario", "nowhere.yaml"],
        ["device", "enrol", "Not A Name"],
        ["device", "revoke", "mill-01"],
        ["prove", "--device", "mill-01"],
        ["prove", "--message", "nonsense"],
        ["tlog", "audit", ".", "--vkey", "nonsense"],
        ["ingest", "nowhere.jsonl"],
    ],
)
def test_wrong_usage_is_2(command, arguments):
    result = command(*arguments)

    assert result.code == 2
    assert result.out == ""
    assert result.err
    assert "Traceback" not in result.err
    assert "secret" not in result.err


@pytest.mark.parametrize("name", ["stats", "audit", "prove"])
def test_a_store_that_is_not_there_is_3(command, name):
    command("init", "--data", "empty")

    said = one_sentence(command(name, "--data", "empty"), 3)

    assert "empty" in said


def test_a_message_that_is_not_anchored_yet_is_3(command, ledger, tmp_path):
    more = tmp_path / "more.jsonl"
    more.write_text(
        '{"topic":"t","payload":"x","timestamp":"2026-05-12T10:28:31Z","qos":1,"retain":false}\n'
    )
    stored = json.loads(command("ingest", more, "--data", ledger.path, "--json").out)

    place = f"{stored['collector']}:0"
    said = one_sentence(command("prove", "--data", ledger.path, "--message", place), 3)

    assert place in said


def test_errors_have_codes_by_what_a_reader_can_do():
    assert exit_for(StoreLocked("held"))[0] == Exit.MISSING
    assert exit_for(LogInDoubt("differs"))[0] == Exit.FALSE
    assert exit_for(ExceptionGroup("both", [LinkLost("gone")]))[0] == Exit.MISSING
    assert exit_for(PermissionError(13, "Permission denied", "f")) == (
        Exit.USAGE,
        "f: Permission denied; may this user do that? `ls -ld` shows owner and mode",
    )
    code, sentence = exit_for(KeyError("x"))
    assert code == Exit.FAULT
    assert "a fault of factoryledger" in sentence


def test_errors_that_number_themselves_otherwise_are_given_no_step_of_the_systems():
    assert exit_for(ssl.SSLError(1, "wrong version number"))[1] == "wrong version number"
    assert exit_for(socket.gaierror(-2, "Name not known"))[1] == "Name not known"
    assert exit_for(OSError(9999, "odd"))[1] == "odd"


def test_a_database_whose_disk_fails_is_missing_and_no_fault_of_the_program():
    with pytest.raises(OperationalError) as failed, open_reader(Path("/dev/null/x.db")).begin():
        pass
    code, said = exit_for(failed.value)
    assert code == Exit.MISSING
    assert "unable to open database file; is its disk full" in said


def test_a_traceback_is_shown_to_those_who_ask(command, monkeypatch):
    monkeypatch.setenv("FACTORYLEDGER_TRACEBACK", "1")

    result = command("verify", "nowhere.proof", "--policy", "nowhere")

    assert result.code == 2
    assert "Traceback" in result.err


def test_a_reader_that_has_had_enough_is_no_failure(program):
    process = program("--help")
    process.stdout.close()

    assert process.wait(20) == 0
    assert process.stderr.read() == ""
