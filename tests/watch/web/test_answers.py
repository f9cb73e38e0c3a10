"""Each address says what its contract says; wrong questions are named with what to try."""

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing

import httpx
import msgspec
import pytest

from factoryledger.cli import run
from watch.web import answers, stored

SPOKEN = {
    "/api/v1/status": answers.Status,
    "/api/v1/machines": answers.Machines,
    "/api/v1/machines/mill-01": answers.MachineWhole,
    "/api/v1/alarms": answers.Alarms,
    "/api/v1/pipeline": stored.Pipeline,
    "/api/v1/log": stored.Log,
    "/api/v1/devices": stored.Devices,
    "/api/v1/readings?device=mill-01": stored.Readings,
    "/api/v1/messages": stored.Messages,
    "/api/v1/corrections": stored.Corrections,
}


@pytest.mark.parametrize(("path", "kind"), SPOKEN.items())
def test_every_answer_is_of_its_kind(world, path, kind):
    answer = world.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    msgspec.json.decode(answer.content, type=kind)


def test_a_corrected_reading_is_as_stored_and_says_what_it_was_corrected_to(
    stored, worlds, tmp_path
):
    data = tmp_path / "works"
    shutil.copytree(stored.path, data)
    world = worlds(data)
    world.hear(stored.lines)
    world.look()
    asked = "/api/v1/readings?device=mill-01&metric=load&from=2026-01-01T00:00:00Z"
    asked += "&to=2026-01-01T01:00:00Z"
    _, before, *_ = world.get(asked).json()["readings"]
    assert before["corrections"] == []
    place = ["--message", f"{before['collector']}:{before['position']}"]
    said = ["--reason", "<script>alert(1)</script>", "--by", "Erika", "--data", data]
    for words in (["--metric", "load", "--value", "12.50"], ["--annotate"]):
        assert int(run([str(word) for word in ("correct", *place, *words, *said)])) == 0
    assert int(run(["anchor", "--once", "--data", str(data)])) == 0
    world.place.__dict__.pop("log_reader", None)
    world.look()
    first, after, *_ = world.get(asked).json()["readings"]
    assert first["corrections"] == []
    [correction] = after.pop("corrections")
    assert after == {name: value for name, value in before.items() if name != "corrections"}
    assert (float(correction["original"]), correction["value"]) == (before["value"], "12.50")
    assert (correction["by"], correction["unit"]) == ("Erika", "%")
    assert (correction["reason"], correction["superseded_by"]) == (said[1], None)
    found = world.get("/api/v1/messages?device=mill-01&limit=1000").json()["messages"]
    [whole] = [one for one in found if one["position"] == before["position"]]
    assert [one["kind"] for one in whole["corrections"]] == ["correction", "annotation"]
    assert sum(bool(one["corrections"]) for one in found) == 1
    for query, count in (("", 2), ("?device=mill-01", 2), ("?device=mill-02", 0)):
        listed = world.get(f"/api/v1/corrections{query}").json()["corrections"]
        assert len(listed) == count, query
    kinds = [one["kind"] for one in world.get("/api/v1/log").json()["entries"]]
    assert kinds[:2] == ["correction", "correction"]


def test_status_says_what_is_there(world):
    said = world.get("/api/v1/status").json()
    assert (said["live"], said["store"], said["log"], said["login"]) == (True, True, True, "none")
    world.ear.live, world.ear.why = False, "no broker answers"
    said = world.get("/api/v1/status").json()
    assert (said["live"], said["why"]) == (False, {"live": "no broker answers"})


def test_a_machine_is_whole_with_units_and_what_it_said_lately(world, stored):
    said = world.get("/api/v1/machines/mill-01").json()
    telemetry = [one for one in stored.lines if one["topic"].endswith("mill-01/telemetry")]
    load = next(one for one in said["metrics"] if one["name"] == "load")

    assert (load["unit"], load["low"], load["high"]) == ("%", 0, 100)
    assert load["value"] == telemetry[-1]["json"]["readings"]["load"]
    assert [point[1] for point in said["recent"]["load"]] == [
        one["json"]["readings"]["load"] for one in telemetry
    ]
    assert (said["area"], said["line"], said["enterprise"]) == (
        "machining",
        "line-1",
        "example-works",
    )
    assert said["topic"] == "example-works/north/machining/line-1/mill-01"
    assert said["key"] == telemetry[0]["json"]["key"]
    assert said["age"] == 0


def test_the_pipeline_is_conserved_and_all_anchored(world, stored):
    said = world.get("/api/v1/pipeline").json()
    assert said["conserved"] is True
    assert said["stored"] == said["anchored"] == said["received"] == len(stored.lines)
    assert said["statuses"]["accepted"] == len(stored.lines)
    assert said["waiting_for_anchor"] == 0


def test_the_log_shows_its_head_and_its_newest_entries(world, stored):
    said = world.get("/api/v1/log").json()
    note = (stored.path / "log" / "checkpoint").read_text()
    assert said["checkpoint"] == note
    assert (said["origin"], str(said["size"]), said["root"]) == tuple(note.splitlines()[:3])
    assert [one["index"] for one in said["entries"]] == list(range(said["size"]))[::-1]
    assert {one["kind"] for one in said["entries"]} == {"key", "checkpoint"}
    newest = said["entries"][0]
    assert newest["size"] == len(stored.lines)


def test_the_log_is_followed_and_read_once(world):
    before = world.lookout.log
    world.look()
    assert world.lookout.log == before


def test_devices_are_those_that_the_log_brings(world):
    said = world.get("/api/v1/devices").json()["devices"]
    machines = [one["device"] for one in said if one["kind"] == "device"]
    assert machines == ["compressor-01", "mill-01", "moulding-01"]
    assert {one["state"] for one in said} == {"active"}


def test_the_policy_is_the_file(world, stored):
    assert world.get("/api/v1/policy").content == (stored.path / "policy").read_bytes()


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/api/v1/status?x=1", "no value 'x'"),
        ("/api/v1/readings", "device is missing"),
        ("/api/v1/readings?device=Mill", "is no name"),
        ("/api/v1/readings?device=a&device=b", "twice"),
        ("/api/v1/readings?device=a&limit=0", "out of bounds"),
        ("/api/v1/readings?device=a&limit=-1", "is no number"),
        ("/api/v1/readings?device=a&limit=1001", "out of bounds"),
        ("/api/v1/readings?device=a&from=yesterday", "is no time"),
        ("/api/v1/readings?device=a&from=2026-01-01T00:00:00", "zone"),
        ("/api/v1/readings?device=a&from=1900-01-01T00:00:00Z", "outside of"),
        ("/api/v1/readings?device=a&from=0001-01-01T00:00:00%2B23:59", "outside of"),
        ("/api/v1/readings?device=a&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "after to"),
        ("/api/v1/readings?device=a&after=%00", "cursor"),
        ("/api/v1/readings?device=a&after=bnVsbA", "cursor"),
        ("/api/v1/readings?device=a&after=W10", "cursor"),
        ("/api/v1/readings?device=a&metric=%00", "is no name"),
        ("/api/v1/messages?status=good", "is no status"),
        ("/api/v1/messages?after=WzFd", "cursor"),
        ("/api/v1/proof", "names no message"),
        ("/api/v1/proof?device=a&session=b", "names no message"),
        ("/api/v1/proof?device=a&session=b&seq=1.5", "is no number"),
        ("/api/v1/live?device=%2e%2e", "is no name"),
    ],
)
def test_a_wrong_question_is_named_with_what_to_try(world, path, word):
    answer = world.get(path)
    assert answer.status_code == 400, answer.text
    error = msgspec.json.decode(answer.content, type=answers.Error).error
    assert word in error.what
    assert error.try_


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/machines/nobody", 404),
        ("/api/v1/proof?device=mill-01&session=none&seq=0", 404),
        ("/api/v1/proof?collector=nobody&position=7", 404),
        ("/api/v2/status", 404),
        ("/api/v1/", 404),
    ],
)
def test_what_is_not_there_is_said(world, path, status):
    answer = world.get(path)
    assert answer.status_code == status
    msgspec.json.decode(answer.content, type=answers.Error)


def test_a_message_that_is_not_anchored_yet_has_no_proof_and_it_is_said_when(
    stored, worlds, tmp_path
):
    data = tmp_path / "young"
    shutil.copytree(stored.path, data)
    for gone in ("anchor.db", "log"):
        path = data / gone
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    world = worlds(data)
    collector = world.get("/api/v1/messages?limit=1").json()["messages"][0]["collector"]

    answer = world.get("/api/v1/proof", params={"collector": collector, "position": 3})

    assert answer.status_code == 404
    assert "try again in about 2 s" in answer.json()["error"]["try"]
    assert world.get("/api/v1/log").status_code == 503


def test_a_page_without_the_anchors_database_proves_by_the_log(stored, worlds, tmp_path):
    """As in the compose stack, where the page has the log's folder and no more of the anchor."""
    data = tmp_path / "apart"
    shutil.copytree(stored.path, data, ignore=shutil.ignore_patterns("anchor.db*"))
    world, whole = worlds(data), worlds(stored.path)
    collector = world.get("/api/v1/messages?limit=1").json()["messages"][0]["collector"]
    named = {"collector": collector, "position": 3}

    answer = world.get("/api/v1/proof", params=named)

    assert answer.status_code == 200, answer.text
    assert answer.content == whole.get("/api/v1/proof", params=named).content


def test_a_row_that_was_changed_has_no_proof_and_it_is_said_why(stored, worlds, tmp_path):
    data = tmp_path / "changed"
    shutil.copytree(stored.path, data)
    with closing(sqlite3.connect(data / "ledger.db")) as store, store:
        store.execute("update messages set payload = replace(payload, '1', '2') where position = 5")
    world = worlds(data)
    collector = world.get("/api/v1/messages?limit=1").json()["messages"][0]["collector"]

    answer = world.get("/api/v1/proof", params={"collector": collector, "position": 5})

    assert answer.status_code == 409, answer.text
    assert "audit" in answer.json()["error"]["try"]


def test_without_a_store_live_values_go_on_and_it_is_said(worlds, stored, tmp_path):
    world = worlds(tmp_path / "nothing")
    world.hear(stored.lines)
    world.look()

    assert len(world.get("/api/v1/machines").json()["machines"]) == 3
    said = world.get("/api/v1/status").json()
    assert (said["store"], said["log"]) == (False, False)
    for path in ("pipeline", "readings?device=a", "messages", "log", "devices", "policy", "proof?device=a&session=b&seq=1"):  # fmt: skip # noqa: E501
        answer = world.get(f"/api/v1/{path}")
        assert answer.status_code == 503, path
        assert answer.json()["error"]["what"]
    assert world.get("/api/v1/alarms").status_code == 200
    assert world.get("/checkpoint").status_code == 404


def test_what_strangers_write_comes_as_text_of_json(world):
    evil = "</script><script>alert(1)</script>\u202e\u0007"
    body = json.dumps({"session": evil, "seq": 1, "time": "2027-01-01T00:00:00.000000Z",
                       "readings": {evil: 1}, "state": {"name": evil}})  # fmt: skip
    world.floor.hear("a/b/c/d/mill-9/telemetry", body.encode(), world.now)
    answer = world.get("/api/v1/machines/mill-9")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["metrics"][0]["name"] == evil


def test_a_fault_of_ours_is_said_without_a_trace_of_it(world):
    def fails(_asked):
        raise ZeroDivisionError("secret")

    world.service.answering = type("Broken", (), {"messages": staticmethod(fails)})()

    async def ask():
        transport = httpx.ASGITransport(app=world.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get("/api/v1/messages")

    answer = asyncio.run(ask())
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "content-security-policy" in answer.headers


def test_a_policy_that_is_changed_counts_from_the_next_look(stored, worlds, tmp_path):
    data = tmp_path / "rotated"
    shutil.copytree(stored.path, data)
    world = worlds(data)
    world.look()
    policy = (data / "policy").read_bytes()
    (data / "policy.new").write_bytes(b"log nonsense\n")
    (data / "policy.new").replace(data / "policy")
    world.look()
    assert "policy" in world.get("/api/v1/status").json()["why"]["log"]
    (data / "policy.new").write_bytes(policy)
    (data / "policy.new").replace(data / "policy")
    world.look()
    assert world.get("/api/v1/status").json()["log"] is True
