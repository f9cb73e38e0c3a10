"""Everything lost but a backup, the keys and a mirror: it goes on, and nothing forks."""

import shutil

import pytest
from survival_line import until

pytestmark = pytest.mark.e2e


def test_a_line_goes_on_from_a_backup_that_was_taken_while_it_ran(lay, tmp_path):
    line = lay()
    policy = ["--policy", tmp_path / "policy"]
    shutil.copy(line.data / "policy", tmp_path / "policy")
    outboxes = ["--outbox", tmp_path / "outbox"]
    collector, anchor = line.collector(), line.anchor()
    collector.start()
    anchor.start()
    machines = line.machines(4, *outboxes)
    machines.start()
    until(lambda: line.accepted() > 200, "some are stored")

    backup = line.run("backup", tmp_path / "b", "--keys", tmp_path / "k", "--data", line.data)
    assert backup.returncode == 0, backup.stderr
    at_backup = line.accepted()
    until(lambda: line.accepted() > at_backup + 300, "it went on")
    for program in (machines, collector, anchor):
        program.kill()
    mirror = ["tlog", "mirror", line.data / "log", tmp_path / "mirror", *policy]
    assert line.run(*mirror).returncode == 0
    (old,) = line.query("select id, coalesce(session, id) from collectors")
    shutil.rmtree(line.data)

    restored = line.run(
        "restore", tmp_path / "b", "--keys", tmp_path / "k", "--mirror", tmp_path / "mirror",
        "--data", line.data,
    )  # fmt: skip
    assert restored.returncode == 0, restored.stderr
    stored_then = line.accepted()
    assert 0 < stored_then <= at_backup + 300
    collector.start()
    anchor.start()
    machines.start()
    until(lambda: line.accepted() > stored_then + 200, "it goes on")
    machines.stop()
    collector.stop()
    anchor.stop()

    collectors = line.query(
        "select id, kind, coalesce(session, id) from collectors order by ordinal"
    )
    assert [kind for _, kind, _ in collectors] == ["restored", "live"]
    assert {session for _, _, session in collectors} == {old[1]}, "one session at the broker"
    audited, stats = line.settle()
    # What came after the backup is lost with its store, and the log says so; nothing else is.
    assert {finding.kind for finding in audited.findings} <= {"batch-missing", "deleted"}
    assert {finding.collector for finding in audited.findings} == {old[0]}
    assert stats["anchored"] == stats["stored"]
    assert machines.results()[-1]["held"] == 0, "what was not receipted is stored now"
    again = line.run(*mirror)
    assert again.returncode == 0, f"the log continues what the mirror has: {again.stderr}"
