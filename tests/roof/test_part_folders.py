"""Data folders for parts that run apart: each has what it needs, and nobody the operator's key."""

import json

import pytest

from factoryledger.data_dir import DataDir
from factoryledger.errors import NotThere
from factoryledger.installation import installation
from factoryledger.spare_keys import new_collector

PARTS = ("anchor", "collector", "simulator", "web", "public")


def keys(folder):
    return {path.name.split("-")[0] for path in folder.glob("keys/*.key")}


@pytest.fixture
def parts(command, tmp_path):
    """What `init` hands out, with the operator's requests where each part looks for them."""
    given = [f"--part={name}={tmp_path / name}" for name in PARTS]
    hosts = ("--broker-host", "localhost", "--machines", 3, "--collectors", 2)
    asked = ("init", "--data", "operator", *hosts, *given)
    made = command(*asked)
    assert made.code == 0, made.err
    for name in PARTS:
        (tmp_path / name / "requests").rmdir()
        (tmp_path / name / "requests").symlink_to(tmp_path / "operator" / "requests")
    return lambda: command(*asked)


def test_each_part_has_its_own_keys_and_the_operators_has_none_of_them(parts, tmp_path):
    found = {name: keys(tmp_path / name) for name in PARTS}
    assert found == {
        "anchor": {"anchor.key"},
        "collector": {"spare"},
        "simulator": {"device"},
        "web": set(),
        "public": set(),
    }
    shown = {
        name: sorted(path.name for path in (tmp_path / name).glob("broker/*")) for name in PARTS
    }
    assert shown == {
        "anchor": ["anchor"],
        "collector": ["collector"],
        "simulator": ["machine", "simulator"],
        "web": ["watch"],
        "public": [],
    }


def test_the_collectors_group_is_a_secret_of_theirs(parts, tmp_path):
    """Who knows a group's name may subscribe in it, and is given what collectors should have."""
    given = {path.parent.name: path.read_text() for path in tmp_path.glob("*/share")}
    assert given.keys() == {"operator", "collector"}
    assert given["operator"] == given["collector"]
    file = tmp_path / "collector" / "share"
    assert file.stat().st_mode & 0o777 == 0o600
    assert parts().code == 0
    assert file.read_text() == given["collector"], "a second call keeps it"
    groups = [
        installation(data=folder, share=share).share
        for folder, share in ((tmp_path / "collector", "auto"), (tmp_path / "new", "auto"),
                              (tmp_path / "new", "auto"), (tmp_path / "new", "floor"),
                              (tmp_path / "new", None))
    ]  # fmt: skip
    assert groups == [file.read_text().strip(), groups[1], groups[1], "floor", ""]
    assert len(groups[1]) > 40
    assert groups[1] != groups[0]


def test_all_who_meet_at_a_public_broker_have_one_prefix(parts, tmp_path):
    given = {path.read_text() for path in tmp_path.glob("*/prefix")}
    assert len(given) == 1
    assert not (tmp_path / "public" / "prefix").exists()


def test_a_second_init_changes_nothing_that_is_there(parts, tmp_path):
    def state():
        files = (path for name in PARTS for path in (tmp_path / name).rglob("*") if path.is_file())
        # The inode too: a lock on a file is lost with it.
        return {path: (path.stat().st_ino, path.read_bytes()) for path in files}

    before = state()
    assert parts().code == 0
    after = state()
    assert {path: what[1] for path, what in after.items()} == {
        path: what[1] for path, what in before.items()
    }
    shown = {path for path in before if path.suffix in {".crt", ".pem"} or "broker" in path.parts}
    assert shown
    assert all(after[path] == before[path] for path in shown)


def test_a_collector_takes_a_certified_key_once_and_says_when_none_is_left(parts, tmp_path):
    east, west = DataDir(tmp_path / "collector"), DataDir(tmp_path / "collector")
    taken = {new_collector(east), new_collector(west)}
    assert len(taken) == 2
    assert all(east.collector_key_is_here(identity) for identity in taken)
    with pytest.raises(NotThere, match="--collectors"):
        new_collector(east)
    # The next call of the operator's fills up what was taken.
    assert parts().code == 0
    assert new_collector(east) not in taken


def test_a_part_reads_who_is_enrolled_by_the_policy_s_word_alone(parts, command):
    listed = command("device", "list", "--data", "simulator", "--json")
    assert listed.code == 0, listed.err
    assert len(json.loads(listed.out)["keys"]) == 3


def test_the_operators_key_is_asked_for_where_it_is_not(parts, command):
    refused = command("device", "enrol", "stranger", "--data", "simulator")
    assert refused.code == 3
    assert "operator.key" in refused.err


@pytest.mark.parametrize("text", ["anchor", "anchor=", "=dir", "nobody=dir"])
def test_a_part_that_is_none_is_wrong_usage(text, command):
    refused = command("init", "--data", "operator", "--part", text)
    assert refused.code == 2
    assert "write NAME=DIR" in refused.err


def test_a_witness_makes_its_own_key_once_and_the_policy_names_it(command, tmp_path):
    asked = ("keys", "witness", "customer", "--data", "hers", "--publish", "customer.vkey")
    first, again = command(*asked), command(*asked)
    assert first.code == 0, first.err
    assert again.out == first.out == (tmp_path / "customer.vkey").read_text()
    named = "customer @customer.vkey http://127.0.0.1:8090"
    assert command("init", "--data", "his", "--witness", named).code == 0
    assert first.out.strip() in (tmp_path / "his" / "policy").read_text()
    assert keys(tmp_path / "his") == {"anchor.key", "operator.key"}


def test_a_password_is_made_once_and_for_few(command, tmp_path):
    asked = ("init", "--data", "his", "--password", tmp_path / "web" / "password")
    assert command(*asked).code == 0
    made = (tmp_path / "web" / "password").read_text()
    assert len(made.strip()) == 64
    assert (tmp_path / "web" / "password").stat().st_mode & 0o777 == 0o640
    assert command(*asked).code == 0
    assert (tmp_path / "web" / "password").read_text() == made
