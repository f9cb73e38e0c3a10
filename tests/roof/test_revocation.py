"""Keys revoked by the command: where the log says so, and what counts from there on."""

import json

from anchor.key_entry import OperatorAuthority
from anchor.reading.log_reader import FolderSource, LogReader
from collector.store import open_store
from factoryledger.data_dir import DataDir


def listed(command, place, device):
    """What `device list` says of a machine's keys, as JSON and as lines."""
    said = command("device", "list", "--json", *place)
    assert said.code == 0, said.err
    rows = [row for row in json.loads(said.out)["keys"] if row["device"] == device]
    lines = command("device", "list", *place).out.splitlines()
    return rows, [line for line in lines if line.startswith(f"{device}  ")]


def test_the_list_says_where_the_log_enrols_and_revokes_a_key(command, tmp_path):
    place = ["--data", tmp_path]
    assert command("init", *place).code == 0
    open_store(f"sqlite:///{tmp_path / 'ledger.db'}", create=True).close()
    for device in ("mill-01", "mill-02"):
        assert command("device", "enrol", device, *place).code == 0
    [row], [line] = listed(command, place, "mill-02")
    assert (row["enrolled_index"], row["ended_index"]) == (None, None)
    assert "(not logged yet)  in use" in line
    assert command("anchor", "--once", *place).code == 0
    assert command("device", "revoke", "mill-02", *place).code == 0
    [row], [line] = listed(command, place, "mill-02")
    assert row["ended_by"] == "revoke"
    assert (row["enrolled_index"], row["ended_index"]) == (1, None)
    assert "(log entry 1)  revoked" in line
    assert line.endswith("(not logged yet)")
    assert command("anchor", "--once", *place).code == 0
    [row], [line] = listed(command, place, "mill-02")
    assert (row["enrolled_index"], row["ended_index"]) == (1, 2)
    assert line.endswith("(log entry 2)")

    data = DataDir(tmp_path)
    log = LogReader(FolderSource(data.log), data.policy().log)
    authority = OperatorAuthority(data.operator.verifier)
    statements = [authority.read(entry) for entry in log.entries()]
    assert [(each.action, each.name) for each in statements] == [
        ("enrol", "mill-01"),
        ("enrol", "mill-02"),
        ("revoke", "mill-02"),
    ]
    assert statements[row["enrolled_index"]].hash.hex() == row["entry"]


def test_a_collector_s_revoked_key_ends_its_log_and_what_it_signed_stands(command, ledger):
    place = ["--data", ledger.path]
    assert command("prove", "-o", "old.proof", *place).code == 0
    data = DataDir(ledger.path)
    [stem] = [stem for stem in data.keys.stems() if stem.startswith("collector-")]
    name = stem.removeprefix("collector-")

    said = command("keys", "revoke", "collector", name, *place)
    assert (said.code, "start a collector of another id" in said.out) == (0, True), said.err
    assert command("anchor", "--once", *place).code == 0
    assert command("verify", "old.proof", *place).code == 0
    assert command("prove", "-o", "new.proof", *place).code == 0
    assert command("verify", "new.proof", *place).code == 0
    audited = command("audit", "--json", *place)
    assert (audited.code, json.loads(audited.out)["findings"]) == (0, [])

    refused = command("ingest", ledger.recording, *place)
    assert (refused.code, f"the key of collector {name} is revoked" in refused.err) == (2, True)
    for again in ("revoke", "rotate"):
        said = command("keys", again, "collector", name, *place)
        assert (said.code, "has no enrolled key" in said.err) == (2, True)
    assert command("keys", "revoke", "collector", "nobody", *place).code == 2
