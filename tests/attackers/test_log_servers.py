"""A hostile server of a log, for the commands that read one: a word of why, in time.

How single files are read of a server that stalls, drips or swells is
`anchor_verify/test_http_source.py`'s; split views are `roof/test_anchor_monitor.py`'s.
"""

import json

import pytest
from rude_server import bomb, endless, hollow, serving, whole
from verify_logs import publish

from anchor.note import SignerKey, sign_note
from telemetry.canonical import b64

KEY = SignerKey.from_seed("example.org/log", bytes(32))
VKEY = str(KEY.verifier)
FILES = publish(KEY, [b"entry %d" % i for i in range(300)])
OTHER = publish(KEY, [b"another %d" % i for i in range(300)])
TILE, BUNDLE, PART = "tile/0/000", "tile/entries/000", "tile/0/001.p/44"


def redirect(to):
    def manner(peer, body):
        return whole(peer, b"", "302 Found", f"Location: {to}\r\n")

    return manner


def saying(data):
    def manner(peer, body):
        return whole(peer, data)

    return manner


def headers_without_end(peer, body):
    peer.sendall(b"HTTP/1.1 200 OK\r\n" + b"X-More: " + b"x" * 10_000_000 + b"\r\n\r\n")
    return False


def of_size(size):
    """A checkpoint that the log's own key signed, of a tree that nobody could have."""
    text = f"{KEY.name}\n{size}\n{b64(bytes(32))}\n"
    return sign_note(text, KEY)


HTML = b"<!DOCTYPE html><html><body>Please log in to this network</body></html>"

# What is done to which file, the exit code, a word of what is said.
SERVERS = {
    "a tile cut short": (TILE, saying(FILES[TILE][:-1]), 1, TILE),
    "a tile of another tree": (TILE, saying(OTHER[TILE]), 1, TILE),
    "a partial tile of another tree": (PART, saying(OTHER[PART]), 1, PART),
    "a partial tile that is longer": (PART, saying(FILES[PART] + bytes(32)), 1, PART),
    "entries of another tree": (BUNDLE, saying(OTHER[BUNDLE]), 1, BUNDLE),
    "entries without end": (BUNDLE, endless, 1, BUNDLE),
    "a gzip bomb for a tile": (TILE, bomb, 1, TILE),
    "a checkpoint without end": ("checkpoint", endless, 1, "checkpoint"),
    "a gzip bomb for a checkpoint": ("checkpoint", bomb, 1, "checkpoint"),
    "a pack out of which nothing comes": ("checkpoint", hollow, 1, "checkpoint"),
    "another log's checkpoint": (
        "checkpoint",
        saying(publish(SignerKey.from_seed("other.example", bytes(32)), [b"x"])["checkpoint"]),
        1,
        "not signed by example.org/log",
    ),
    "a checkpoint that clears the screen": ("checkpoint", saying(b"\x1b[2J\n1\n\n"), 1, ""),
    "sent elsewhere": ("checkpoint", redirect("http://127.0.0.1:1/x"), 3, "redirects"),
    "sent to a file": ("checkpoint", redirect("file:///etc/passwd"), 3, "redirects"),
    "a tile sent to a file": (TILE, redirect("file:///etc/passwd"), 1, "redirects"),
    "sent to what clears the screen": (
        "checkpoint", redirect("http://x/%1b[2J"), 3, "redirects",
    ),
    "a page for a tile": (TILE, saying(HTML), 1, TILE),
    "a page for entries": (BUNDLE, saying(HTML), 1, BUNDLE),
    "a page for a checkpoint": ("checkpoint", saying(HTML), 1, "checkpoint"),
    "a tree of 10^19 entries": ("checkpoint", saying(of_size(10**19)), 1, "2^63-1"),
    "a tree as large as there may be": ("checkpoint", saying(of_size(2**63 - 1)), 1, "tile"),
    "headers of ten megabytes": pytest.param(
        "checkpoint", headers_without_end, 3, "checkpoint", marks=pytest.mark.long,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("path", "manner", "code", "said"), SERVERS.values(), ids=SERVERS)
def test_a_log_server_that_lies_is_found_out(path, manner, code, said, command):
    with serving(FILES) as server:
        server.manners[path] = [manner] * 10
        audited = command("tlog", "audit", server.url, "--vkey", VKEY)
        assert max(server.asked.values()) <= 6
    told = audited.out + audited.err
    assert audited.code == code, told
    assert said in told
    assert all(line.isprintable() for line in told.splitlines())
    assert len(told) < 3000


@pytest.mark.parametrize(("path", "manner", "code", "said"), SERVERS.values(), ids=SERVERS)
def test_nothing_of_a_log_server_that_lies_is_taken_into_a_copy(
    path, manner, code, said, command, tmp_path
):
    copy = tmp_path / "copy"
    with serving(FILES) as server:
        server.manners[path] = [manner] * 10
        first = command("tlog", "mirror", server.url, copy, "--vkey", VKEY)
        assert max(server.asked.values()) <= 6
        assert not (copy / "checkpoint").exists()
        server.manners.clear()
        # What it had from the liar is in no true log's way.
        assert command("tlog", "mirror", server.url, copy, "--vkey", VKEY).code == 0
    told = first.out + first.err
    assert first.code in {code, 3}, told
    assert said in told
    assert len(told) < 3000
    assert all(line.isprintable() for line in told.splitlines())
    assert command("tlog", "audit", copy, "--vkey", VKEY).code == 0


@pytest.mark.parametrize("path", [TILE, BUNDLE])
def test_a_file_that_reads_otherwise_the_second_time_is_never_added_to_a_copy(
    path, command, tmp_path
):
    """True at the first look, of another tree at the second: the copy is as at the first."""
    copy, log = tmp_path / "copy", dict(publish(KEY, [b"entry %d" % i for i in range(200)]))
    with serving(log) as server:
        assert command("tlog", "mirror", server.url, copy, "--vkey", VKEY).code == 0
        before = (copy / "checkpoint").read_bytes()
        server.files = FILES | {path: OTHER[path]}
        again = command("tlog", "mirror", server.url, copy, "--vkey", VKEY)
    assert again.code == 1, again.err
    assert (copy / "checkpoint").read_bytes() == before
    assert command("tlog", "audit", copy, "--vkey", VKEY).code == 0


def test_a_server_that_is_true_is_not_blamed(command):
    with serving(FILES) as server:
        assert command("tlog", "audit", server.url, "--vkey", VKEY).code == 0


def test_a_monitor_of_liars_says_which_place_and_convicts_nobody(command):
    """Nothing that a server makes up is a split view: only what the log's key signed is."""
    with serving(FILES) as log, serving(FILES) as mirror:
        mirror.manners["checkpoint"] = [saying(b"\x1b[2J\nno alarm\n\n")] * 10
        seen = command(
            "anchor", "monitor", f"{KEY.name}={log.url}", f"{KEY.name}={mirror.url}",
            "--vkey", VKEY, "--json",
        )  # fmt: skip
    assert seen.code == 1
    said = json.loads(seen.out)
    assert [alarm["kind"] for alarm in said["alarms"]] == ["head-false"]
    assert said["alarms"][0]["place"] == mirror.url
    assert said["evidence"] == []
    assert "\x1b" not in seen.err
