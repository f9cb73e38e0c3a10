"""Commands as a person uses them, without a broker."""

import json
import os
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from collector.store_reader import LedgerReader
from factoryledger.broker import free_port
from factoryledger.data_dir import DataDir
from factoryledger.identity import identity_of
from factoryledger.requests import RequestFolder
from telemetry.canonical import unb64
from telemetry.properties import NO_PROPERTIES
from telemetry.receipt import ReceiptLeaf, bodies_digest
from telemetry.recording import Header, Line, Writer
from telemetry.signature import key_id


def as_json(result):
    assert result.code == 0, result.err
    return json.loads(result.out)


def test_a_machines_key_is_enrolled_rotated_and_revoked(command):
    data = ["--data", "d"]
    assert command("device", "enrol", "mill-01", *data).code == 0
    assert command("device", "enrol", "mill-01", *data).code == 0
    assert command("device", "rotate", "mill-01", *data).code == 0
    assert command("device", "revoke", "mill-01", *data).code == 0
    assert command("device", "revoke", "mill-01", *data).code == 2

    keys = as_json(command("device", "list", "--json", *data))["keys"]

    assert [key["ended_by"] for key in keys] == ["rotate", "revoke"]
    assert keys[0]["key"] != keys[1]["key"]
    assert all(key["key"] == key_id(unb64(key["public_key"])) for key in keys)
    assert len(RequestFolder(Path("d/requests")).after("")) == 3


def test_entries_that_another_operator_signed_count_for_nothing(command, tmp_path):
    command("device", "enrol", "mill-01", "--data", "theirs")
    command("init", "--data", "ours")
    for _, entry in RequestFolder(tmp_path / "theirs" / "requests").after(""):
        RequestFolder(tmp_path / "ours" / "requests").write(entry)

    assert as_json(command("device", "list", "--json", "--data", "ours"))["keys"] == []


def test_the_same_recording_gives_the_same_roots_in_every_store(command, tmp_path):
    recording = tmp_path / "r.jsonl"
    made = ["simulate", "--machines", 2, "--duration", 3, "--json"]
    tally = as_json(command(*made, "--out", recording))
    assert as_json(command(*made, "--out", tmp_path / "again.jsonl")) == tally
    assert recording.read_bytes() == (tmp_path / "again.jsonl").read_bytes()

    first = as_json(command("ingest", recording, "--data", "a", "--json"))
    again = as_json(command("ingest", recording, "--data", "a", "--json"))
    elsewhere = as_json(command("ingest", recording, "--data", "b", "--json"))

    assert first["added"] == first["lines"] == tally["recorded"]
    assert again == {**first, "added": 0}
    assert again["roots"] == first["roots"]
    assert len(elsewhere["roots"]) == len(first["roots"])


def test_stats_conserve_and_count_what_is_anchored(command, ledger):
    stats = as_json(command("stats", "--data", ledger.path, "--json"))

    assert set(stats) >= {
        "received", "stored", "duplicates", "refused", "in_flight",
        "batches", "anchored", "statuses", "gaps",
    }  # fmt: skip
    assert stats["received"] == stats["stored"] == stats["anchored"] > 0
    assert stats["statuses"]["accepted"] == stats["stored"]
    assert "holds" in command("stats", "--data", ledger.path).out


def test_prove_takes_a_message_by_its_number_or_its_place(command, ledger):
    data = ["--data", ledger.path, "--json"]
    newest = as_json(command("prove", *data))
    number = ["--device", newest["device"], "--session", newest["session"], "--seq", newest["seq"]]
    place = ["--message", f"{newest['collector']}:{newest['position']}"]

    assert as_json(command("prove", *number, *data)) == newest
    assert as_json(command("prove", *place, *data)) == newest

    verified = as_json(command("verify", newest["proof"], *data))
    assert verified["verified"] is True
    assert (verified["device"], verified["seq"]) == (newest["device"], newest["seq"])
    assert verified["status"] == "accepted"


def test_stats_shows_what_is_missing_and_since_when(command, ledger, tmp_path):
    lines = ledger.recording.read_bytes().splitlines(keepends=True)
    short = tmp_path / "short.jsonl"
    short.write_bytes(b"".join([*lines[:8], *lines[12:-1]]))
    data = tmp_path / "gaps"
    shutil.copytree(ledger.path, data)
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
        (data / name).unlink(missing_ok=True)
    assert command("ingest", short, "--data", data, "--keep-going").code == 0
    counted = as_json(command("stats", "--json", "--data", data))
    missing = sum(gap["last"] - gap["first"] + 1 for gap in counted["gaps"])
    assert missing == 4
    assert f"missing     {missing} messages" in command("stats", "--data", data).out
    table = command("stats", "--gaps", "--data", data).out.splitlines()
    assert table[0].split() == ["device", "session", "missing", "since"]
    assert len(table) == 1 + len(counted["gaps"])
    assert all(gap["since"] in line for gap, line in zip(counted["gaps"], table[1:], strict=True))
    assert command("stats", "--gaps", "--data", ledger.path).out == "no gaps\n"


def receipt_of(ledger, *, anchored_by):
    """What the ledger's collector tells a machine of its first messages."""
    with LedgerReader(f"sqlite:///{ledger.database}") as reader:
        (collector,) = reader.collectors()
        rows = [row for row in reader.messages(collector.id) if row.status == "accepted"]
    rows = [row for row in rows if row.device == rows[0].device][:3]
    leaf = ReceiptLeaf(
        collector=collector.id,
        device=rows[0].device,
        session=rows[0].session,
        ranges=((rows[0].seq, rows[-1].seq),),
        bodies=bodies_digest(row.body_hash for row in rows),
        anchored_by=anchored_by,
    )
    identity = identity_of(DataDir(ledger.path), collector.id)
    return rows, identity.receipts.seal([leaf.to_bytes()])[0]


def write_recording(file, topic, payload):
    header = Header(origin="test", topics=("#",), clock="system", started=1)
    with file.open("wb") as out, Writer(out, header) as writer:
        line = Line(
            received=1, topic=topic, payload=payload, qos=1, retain=False, properties=NO_PROPERTIES
        )
        writer.write(line)


def test_a_receipt_is_held_against_store_log_and_proofs(command, ledger, tmp_path):
    data, file = ["--data", ledger.path], tmp_path / "one.receipt"
    rows, payload = receipt_of(ledger, anchored_by=1)
    file.write_bytes(payload + b"\n")  # as mosquitto_sub writes it
    shown = as_json(command("verify", "--receipt", file, "--json", *data))
    assert (shown["state"], shown["device"]) == ("kept", rows[0].device)
    said = command("verify", "--receipt", file, *data)
    assert "3 messages" in said.out
    assert "Kept:" in said.out

    # Whoever has policy and log, and no store, is told what to ask for.
    pinned = ["--policy", ledger.path / "policy", "--log", ledger.path / "log", "--data", "none"]
    assert command("verify", "--receipt", file, *pinned).code == 3
    proofs = []
    for row in rows:
        proofs.append(tmp_path / f"{row.seq}.proof")
        number = ["--device", row.device, "--session", row.session, "--seq", row.seq]
        assert command("prove", *number, "-o", proofs[-1], *data).code == 0
    assert command("verify", *proofs, "--receipt", file, *pinned).code == 0

    file.write_bytes(payload.replace(b'"index":0', b'"index":1'))
    forged = command("verify", "--receipt", file, *data)
    assert (forged.code, "not valid" in forged.out) == (1, True)


def test_a_message_that_is_gone_breaks_the_promise_of_its_receipt(command, ledger, tmp_path):
    rows, payload = receipt_of(ledger, anchored_by=1)
    recording = tmp_path / "receipts.jsonl"
    write_recording(recording, rows[0].topic.rpartition("/")[0] + "/receipt", payload)
    data = ["--data", ledger.path]
    assert command("verify", "--receipt", recording, *data).code == 0
    with closing(sqlite3.connect(ledger.database)) as store, store:
        store.execute("DELETE FROM claims WHERE seq = ?", (rows[1].seq,))
    broken = command("verify", "--receipt", recording, *data)
    assert broken.code == 1
    assert f"Broken: the store of collector {rows[0].collector} holds no message" in broken.out
    write_recording(recording, "some/topic", payload)
    assert command("verify", "--receipt", recording, *data).code == 2
    assert command("verify", *data).code == 2


def test_both_hops_are_plain_tlog_proofs(command, ledger, tmp_path):
    out = tmp_path / "hops"
    assert command("prove", "--data", ledger.path, "--tlog-proofs", out).code == 0

    for hop in ("message", "checkpoint"):
        files = [out / f"{hop}.tlog-proof", "--policy", out / f"{hop}.policy"]
        assert command("tlog", "verify", *files, "--entry", out / f"{hop}.entry").code == 0
        entry = bytearray((out / f"{hop}.entry").read_bytes())
        entry[10] ^= 1
        (out / "changed").write_bytes(entry)
        changed = command("tlog", "verify", *files, "--entry", out / "changed")
        assert changed.code == 1
        assert changed.err.count("\n") == 1


def test_a_tiled_log_is_audited_and_a_changed_tile_is_named(command, ledger):
    log = ledger.path / "log"
    vkey = str(DataDir(ledger.path).policy().log)
    sound = as_json(command("tlog", "audit", log, "--vkey", vkey, "--json"))
    assert sound["findings"] == []
    assert sound["size"] > 1

    tile = next(path for path in (log / "tile" / "0").rglob("*") if path.is_file())
    changed = bytearray(tile.read_bytes())
    changed[0] ^= 1
    tile.chmod(0o644)
    tile.write_bytes(changed)
    result = command("tlog", "audit", log, "--vkey", vkey)

    assert result.code == 1
    assert str(tile.relative_to(log)) in result.out


def test_audit_without_an_anchor_says_so_and_is_good(command, tmp_path):
    recording = tmp_path / "r.jsonl"
    command("simulate", "--machines", 1, "--duration", 2, "--out", recording)
    command("ingest", recording, "--data", "d")

    result = command("audit", "--data", "d")

    assert result.code == 0, result.err
    assert "note: " in result.out
    assert "anchor" in result.out.split("note: ")[1]


def test_a_batch_that_the_anchor_refuses_is_its_exit_code(command, ledger, tmp_path):
    again = tmp_path / "again.jsonl"
    command("simulate", "--machines", 1, "--duration", 2, "--seed", 9, "--out", again)
    before = "select collector from batches"
    with closing(sqlite3.connect(ledger.database)) as database, database:
        anchored = {name for (name,) in database.execute(before)}
        command("ingest", again, "--data", ledger.path)
        (new,) = {name for (name,) in database.execute(before)} - anchored
        database.execute("update batches set checkpoint = x'00' where collector = ?", (new,))

    result = command("anchor", "--once", "--data", ledger.path)

    assert result.code == 1
    assert "refused and not in the log" in result.err
    assert command("audit", "--data", ledger.path).code == 1


def test_a_log_whose_checkpoint_was_taken_away_is_found(command, ledger, tmp_path):
    again = tmp_path / "again.jsonl"
    command("simulate", "--machines", 1, "--duration", 2, "--seed", 9, "--out", again)
    command("ingest", again, "--data", ledger.path)
    assert command("anchor", "--once", "--data", ledger.path).code == 0
    (ledger.path / "log" / "checkpoint").unlink()

    result = command("audit", "--data", ledger.path)

    assert result.code == 1
    assert "log-truncated" in result.out


def test_a_log_that_is_gone_as_a_whole_is_missed_by_the_anchors_own_word(command, ledger):
    shutil.rmtree(ledger.path / "log")
    (ledger.path / "log").mkdir()

    result = command("audit", "--data", ledger.path)

    assert result.code == 1
    assert "log-truncated" in result.out
    assert "anchor.db" in result.out


@pytest.mark.parametrize("asks", [("audit",), ("device", "list")])
def test_a_log_that_was_named_has_to_be_there(command, ledger, asks):
    result = command(*asks, "--data", ledger.path, "--log", "nowhere")

    assert result.code == 2
    assert "nowhere" in result.err


@pytest.mark.parametrize("how", ["a proof", "a policy"])
def test_a_file_that_never_ends_is_refused_without_filling_the_memory(command, ledger, how):
    file = Path("/dev/zero")
    asked = {"a proof": ["verify", file], "a policy": ["verify", "x", "--policy", file]}
    result = command(*asked[how], "--data", ledger.path)

    assert result.code == 2
    assert "/dev/zero: longer than" in result.err


def test_a_recording_outlives_a_broker_that_does_not_answer(command, ledger):
    kept = ledger.recording.read_bytes()

    result = command(
        "record", "-o", ledger.recording, "--broker", f"mqtt://127.0.0.1:{free_port()}"
    )

    assert result.code == 3
    assert ledger.recording.read_bytes() == kept


def test_output_to_a_pipe_goes_through_it(command, ledger, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert command("prove", "--data", ledger.path, "-o", pipe).code == 0
        assert pipe.is_fifo()
        assert os.read(reader, 100).startswith(b'{"factoryledger":"proof"')
    finally:
        os.close(reader)


def test_output_to_a_link_leaves_the_link(command, ledger, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "target")

    assert command("prove", "--data", ledger.path, "-o", link).code == 0

    assert link.is_symlink()
    assert (tmp_path / "target").read_bytes().startswith(b'{"factoryledger":"proof"')


def test_audit_counts_each_key_entry_of_the_log_once(command, ledger, tmp_path):
    again = tmp_path / "again.jsonl"
    command("simulate", "--machines", 1, "--duration", 2, "--seed", 9, "--out", again)
    command("ingest", again, "--data", ledger.path)
    command("anchor", "--once", "--data", ledger.path)

    counts = as_json(command("audit", "--data", ledger.path, "--json"))

    # Three machines and two collectors; the second collector applied the machines' too.
    assert counts["key_entries"] == 5


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ("update messages set payload = replace(payload, '1', '2') where position = 3", "position"),
        ("delete from messages where position = 3", "position"),
        ("update messages set received_at = received_at + 1 where position = 3", "position"),
    ],
)
def test_audit_names_the_row_that_was_changed(command, ledger, change, kind):
    assert command("audit", "--data", ledger.path).code == 0
    with closing(sqlite3.connect(ledger.database)) as store, store:
        device, session, seq, collector = store.execute(
            "select device, session, seq, collector from messages where position = 3"
        ).fetchone()
        store.execute(change)

    result = command("audit", "--data", ledger.path, "--json")

    assert result.code == 1
    findings = json.loads(result.out)["findings"]
    assert any(finding["collector"] == collector and finding[kind] == 3 for finding in findings)
    if "delete" not in change:
        named = (device, session, seq)
        assert any((f["device"], f["session"], f["seq"]) == named for f in findings)


def test_the_version_and_the_help_are_quick_to_reach(command):
    told = command("--version").out
    assert re.match(r"factoryledger \d+\.\d+\.\d+\n", told)
    assert "  key entry 1, 2, 3\n" in told
    assert "mosquitto, mqttx" in told
    listed = command("--help").out
    for name in ("demo", "simulate", "collect", "anchor", "witness", "tlog", "device", "keys"):
        assert f"\n  {name}" in listed
    assert listed.count("...\n") == 1, "beside the usage, a line is cut short"


def test_a_shell_completes_commands_and_options(program):
    def completed(words):
        word = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        process = program(_FACTORYLEDGER_COMPLETE="complete_bash", **word)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "")
        return out.split()

    assert completed("factoryledger de") == ["demo", "device"]
    assert completed("factoryledger collect --flush-") == ["--flush-count", "--flush-seconds"]
    assert completed("factoryledger keys ro") == ["rotate"]


def test_keys_lists_who_is_trusted_and_what_is_here(command):
    listed = as_json(command("keys", "list", "--data", "d", "--json"))

    assert set(listed["trusted"]) == {"log", "operator"}
    assert listed["private"]["anchor"] == listed["trusted"]["log"]
    assert "PRIVATE" not in command("keys", "list", "--data", "d").out


def test_a_part_without_the_anchors_database_knows_from_the_log_what_is_anchored(command, ledger):
    """A collector or the page in a container of its own has the log's folder alone."""
    place = ["--data", ledger.path]
    due = as_json(command("stats", "--json", *place))["anchored"]
    newest = as_json(command("prove", "--json", "-o", "due", *place))
    for file in ledger.path.glob("anchor.db*"):
        file.unlink()

    assert as_json(command("stats", "--json", *place))["anchored"] == due > 0
    made = as_json(command("prove", "--json", "-o", "made", *place))
    assert made == {**newest, "proof": "made"}
    assert Path("made").read_bytes() == Path("due").read_bytes()
    more = ledger.path.parent / "more.jsonl"
    assert command("simulate", "--duration", 2, "--seed", 8, "--out", more).code == 0
    assert command("ingest", more, *place).code == 0
    stats = as_json(command("stats", "--json", *place))
    assert (stats["anchored"], stats["stored"] > due) == (due, True)

    (ledger.path / "policy").rename("policy-elsewhere")
    assert as_json(command("stats", "--json", *place))["anchored"] is None
    (ledger.path / "log" / "checkpoint").unlink()
    assert "no anchor has run here" in command("stats", *place).out


@pytest.mark.parametrize("damage", ["gone", "garbage", "empty", "tables"])
def test_proofs_need_no_anchor_db_and_believe_none(command, ledger, damage):
    """It only says where to look: whatever it says, the same proof comes out."""
    asked = ["--device", "mill-01", "--from", "1971-01-01T00:00:00Z", "--to"]
    place = ["--data", ledger.path]
    with LedgerReader(f"sqlite:///{ledger.database}") as rows:
        [collector] = rows.collectors()
    single = ["--message", f"{collector.id}:3"]
    lines = [[*single, "-o"], [*asked, "2100-01-01T00:00:00Z", "-o"]]
    for number, line in enumerate(lines):
        assert command("prove", *line, f"{number}.due", *place).code == 0
    database = ledger.path / "anchor.db"
    if damage == "tables":
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("UPDATE entries SET position = position + 1000")
            connection.execute("UPDATE cosigned SET hash = randomblob(32)")
            connection.commit()
    else:
        for file in ledger.path.glob("anchor.db*"):
            file.unlink()
        if damage != "gone":
            database.write_bytes(b"" if damage == "empty" else b"\0garbage" * 4096)
    for number, line in enumerate(lines):
        said = command("prove", *line, f"{number}.made", *place)
        assert said.code == 0, said.err
        assert Path(f"{number}.made").read_bytes() == Path(f"{number}.due").read_bytes()


def test_a_machine_s_time_is_proved_in_one_file(command, ledger):
    rows = LedgerReader(f"sqlite:///{ledger.database}")
    with rows:
        [collector] = rows.collectors()
        found = [row for row in rows.messages(collector.id) if row.device == "mill-01"]
    device = found[0].device
    place = ["--data", ledger.path]
    asked = ["--device", device, "--from", "1971-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z"]

    made = as_json(command("prove", *asked, "-o", "range.proof", "--json", *place))
    assert (made["messages"], made["missing"]) == (len(found), [])
    said = as_json(command("verify", "range.proof", "--json", *place))
    assert (said["verified"], said["messages"]) == (True, len(found))
    assert command("verify", "range.proof", *place).out.count("Not proven") > 2

    data = Path("range.proof").read_bytes()
    Path("range.proof").write_bytes(data.replace(b'"from":"1971', b'"from":"1972', 1))
    assert command("verify", "range.proof", *place).code == 0  # it claims no more than before
    Path("range.proof").write_bytes(data.replace(b"mill-01", b"mill-02"))
    assert command("verify", "range.proof", *place).code == 1


@pytest.mark.parametrize(
    "options",
    [
        ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z"],
        ["--device", "d", "--from", "2026-01-01T00:00:00Z"],
        ["--device", "d", "--from", "2026-01-01", "--to", "2026-01-02T00:00:00Z"],
        ["--device", "d", "--from", "now", "--to", "2026-01-02T00:00:00Z"],
        ["--device", "d", "--seq", "1", "--from", "2026-01-01T00:00:00Z", "--to", "x"],
    ],
)
def test_a_time_is_said_whole(command, ledger, options):
    assert command("prove", *options, "--data", ledger.path).code == 2
