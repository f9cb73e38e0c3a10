"""Readings, messages and proofs over a real store: pages that add up, proofs that verify."""

import shutil

import pytest

from anchor.policy import Policy
from anchor.proving.verify import verify
from factoryledger.cli import run


def pages(world, path, **query):
    """All that an address gives, page after page; and how many pages there were."""
    found, count, after = [], 0, None
    while True:
        answer = world.get(path, params=query | ({} if after is None else {"after": after}))
        assert answer.status_code == 200, answer.text
        said = answer.json()
        found += said["readings" if "readings" in said else "messages"]
        count += 1
        after = said["next"]
        if after is None:
            return found, count


SPAN = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}


def of_recording(stored, device):
    """What a machine said, by the recording: time, metric and value."""
    said = [line["json"] for line in stored.lines if line["topic"].endswith("/telemetry")]
    return [
        (one["time"], metric, value)
        for one in said
        if one["device"] == device
        for metric, value in one["readings"].items()
    ]


@pytest.mark.parametrize("limit", [7, 100, 1000])
def test_readings_are_those_of_the_recording_whatever_the_pages(world, stored, limit):
    found, count = pages(world, "/api/v1/readings", device="mill-01", limit=limit, **SPAN)

    shown = [(one["time"], one["metric"], one["value"]) for one in found]
    assert sorted(shown) == sorted(of_recording(stored, "mill-01"))
    assert [one["time"] for one in found] == sorted(one["time"] for one in found)
    assert count >= len(shown) // limit
    assert {one["status"] for one in found} == {"accepted"}


def test_readings_of_one_metric_and_a_shorter_time(world, stored):
    span = {"from": "2026-01-01T00:00:05Z", "to": "2026-01-01T00:00:08Z"}
    found, _ = pages(world, "/api/v1/readings", device="mill-01", metric="load", limit=2, **span)

    wanted = [
        (time, value)
        for time, metric, value in of_recording(stored, "mill-01")
        if metric == "load" and "00:00:05" <= time[11:] <= "00:00:08.000000Z"
    ]
    assert [(one["time"], one["value"]) for one in found] == wanted
    assert len(wanted) == 4


def test_messages_come_newest_first_whatever_the_pages(world, stored):
    found, count = pages(world, "/api/v1/messages", limit=10)

    assert len(found) == len(stored.lines)
    assert count == -(-len(found) // 10)
    positions = [one["position"] for one in found]
    assert positions == sorted(positions, reverse=True)


def test_several_collectors_messages_are_one_list_whatever_the_pages(stored, worlds, tmp_path):
    data, later = tmp_path / "two", tmp_path / "later.jsonl"
    shutil.copytree(stored.path, data)
    made = ["--machines", "1", "--duration", "15", "--seed", "9", "--out", str(later)]
    assert int(run(["simulate", *made])) == 0
    assert int(run(["ingest", str(later), "--data", str(data)])) == 0

    found, _ = pages(worlds(data), "/api/v1/messages", limit=7)

    places = [(one["collector"], one["position"]) for one in found]
    assert len(set(places)) == len(places)
    assert len(places) == len(stored.lines) + len(later.read_text().splitlines()) - 2
    assert len({collector for collector, _ in places}) == 2
    times = [one["received_at"] for one in found]
    assert times == sorted(times, reverse=True)


def test_postgresql_gives_the_same(stored, worlds, world, postgres, tmp_path, monkeypatch):
    (tmp_path / "secret").write_text(f"{postgres.password}\n")
    monkeypatch.setenv("FACTORYLEDGER_DATABASE_PASSWORD_FILE", str(tmp_path / "secret"))
    url, data = postgres.database(password=False), tmp_path / "d"
    shutil.copytree(stored.path, data)
    assert int(run(["ingest", str(stored.recording), "--data", str(data), "--database", url])) == 0
    other = worlds(data, database=[url])

    for path, query in (
        ("/api/v1/readings", {"device": "mill-01", "limit": 7, **SPAN}),
        ("/api/v1/messages", {"limit": 10}),
    ):
        names = ("time", "device", "seq", "metric", "value", "topic", "payload_hash", "size")
        both = [
            {tuple(one.get(name) for name in names) for one in pages(each, path, **query)[0]}
            for each in (world, other)
        ]
        assert both[0] == both[1]
        assert len(both[0]) > 70
    other.look()
    assert other.get("/api/v1/pipeline").json()["stored"] == len(stored.lines)


def test_messages_of_a_device_and_of_a_status(world, stored):
    mill, _ = pages(world, "/api/v1/messages", device="mill-01", limit=1000)
    assert len(mill) == sum("/mill-01/" in line["topic"] for line in stored.lines)
    assert pages(world, "/api/v1/messages", status="conflict")[0] == []


def test_a_proof_is_what_verify_takes(world, stored):
    found, _ = pages(world, "/api/v1/readings", device="mill-01", limit=1000, **SPAN)
    one = found[3]

    by_number = world.get(
        "/api/v1/proof", params={name: one[name] for name in ("device", "session", "seq")}
    )
    by_place = world.get(
        "/api/v1/proof", params={name: one[name] for name in ("collector", "position")}
    )

    assert by_number.status_code == 200, by_number.text
    assert by_number.content == by_place.content
    name = f"mill-01-{one['session'][:8]}-{one['seq']}.proof"
    assert by_number.headers["content-disposition"] == f'attachment; filename="{name}"'
    policy = Policy.from_bytes((stored.path / "policy").read_bytes())
    verified = verify(by_number.content, policy)
    assert (verified.device, verified.session, verified.seq) == (
        *("mill-01", one["session"]),
        one["seq"],
    )
