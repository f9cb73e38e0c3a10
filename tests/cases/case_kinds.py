"""What is done with a case of each kind, and what came of it as text.

Each takes the case and the folder with a copy of its files, which is the working folder.
"""

import json
import shlex
import sqlite3
from base64 import b64decode
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from case import Case
from case_parsers import PARSERS

from factoryledger.data_dir import DataDir
from factoryledger.enrolment import Enrolments
from telemetry.recording import Header, Line, Writer
from telemetry.signature import SigningKey, seal
from telemetry.topic import MachineTopic

START = 1_764_000_000_000_000
Command = Callable[[list[str]], SimpleNamespace]


def command(case: Case, command: Command) -> str:
    """Command lines, one after the other; `before` prepares, and must end with 0 unshown."""
    for line in case.says.get("before", []):
        done = _step(line, command)
        assert done.code == 0, f"{line}\n{done.out}{done.err}"
    text = []
    for line in case.says["run"]:
        done = _step(line, command)
        text.append(f"$ {line}\n{done.out}{_marked(done.err)}[exit {done.code}]\n")
    text += [f"# {name}\n{_shown(name)}" for name in case.says.get("show", [])]
    return "".join(text)


def _shown(name: str) -> str:
    return Path(name).read_bytes().decode(errors="backslashreplace")


def _marked(err: str) -> str:
    return "".join(f"! {line}\n" for line in err.splitlines())


def _step(line: str, command: Command) -> SimpleNamespace:
    verb, _, rest = line.partition(" ")
    if verb == "sql":  # sql DATABASE STATEMENTS
        name, _, statements = rest.partition(" ")
        with closing(sqlite3.connect(name)) as database:
            database.executescript(statements)
    elif verb == "copy":  # copy FROM TO
        source, target = rest.split(" ")
        Path(target).write_bytes(Path(source).read_bytes())
    elif verb == "replace":  # replace FILE OLD NEW, as Python writes bytes
        name, *parts = shlex.split(rest)
        old, new = (part.encode().decode("unicode_escape").encode("latin-1") for part in parts)
        data = Path(name).read_bytes()
        assert old in data, f"{line}: it is not there"
        Path(name).write_bytes(data.replace(old, new, 1))
    else:
        return command(shlex.split(line))
    return SimpleNamespace(code=0, out="", err="")


def parse(case: Case, command: Command) -> str:
    """Each input by one parser: accepted, or the error and its words."""
    parser = PARSERS[case.says["parser"]]
    inputs = [
        *(
            (name, text.encode() if isinstance(text, str) else b64decode(text["base64"]))
            for name, text in case.says.get("inputs", {}).items()
        ),
        *((path.name, path.read_bytes()) for path in sorted(Path().glob("input*"))),
    ]
    assert inputs, "neither [inputs] nor a file input*"
    return "".join(f"{name}: {_parsed(parser, data)}\n" for name, data in inputs)


def _parsed(parser: Callable[[bytes], object], data: bytes) -> str:
    try:
        found = parser(data)
    except ValueError as error:
        return f"refused, {type(error).__name__}: {error}".replace("\n", "\\n")
    return f"accepted: {found}" if isinstance(found, str) else "accepted"


def messages(case: Case, command: Command) -> str:
    """Messages into a collector whose machines are enrolled: each with what is stored of it."""
    data = DataDir(Path("data"))
    data.create()
    enrolments = Enrolments(data)
    for device in case.says.get("enrolled", []):
        data.replace_device(device, key_of(device))
        enrolments.ensure_device(device)
    for device in case.says.get("revoked", []):
        assert command(["device", "revoke", device, "--data", "data"]).code == 0
    header = Header("case", ("#",), "simulated", START)
    with Path("messages.jsonl").open("wb") as file, Writer(file, header) as writer:
        for number, message in enumerate(case.says["message"]):
            writer.write(Line(START + number, message["topic"], _payload(message), 1))
    ingested = command(["ingest", "messages.jsonl", "--data", "data", "--processes", "0"])
    audited = command(["audit", "--data", "data", "--processes", "1", "--json"])
    found = [finding["kind"] for finding in json.loads(audited.out)["findings"]]
    return "".join(
        (
            "".join(f"{_row(row)}\n" for row in _rows(Path("data/ledger.db"))),
            f"ingest: exit {ingested.code}; audit: exit {audited.code}, findings {found}\n",
        )
    )


def key_of(device: str) -> SigningKey:
    """The key of a case's machine, for whoever makes a payload by hand."""
    return SigningKey.from_seed(sha256(f"case/{device}".encode()).digest())


def _payload(message: dict[str, Any]) -> bytes:
    """`payload`, or `base64`, or a `body` sealed by the key of `signed_by`; KEY is its id."""
    if "base64" in message:
        return b64decode(message["base64"])
    if "body" not in message:
        return message["payload"].encode()
    key = key_of(message["signed_by"])
    topic = MachineTopic.parse(message.get("signed_for", message["topic"]))
    assert topic is not None, message["topic"]
    return seal(key, topic, message["body"].removesuffix("}").replace("KEY", key.key_id).encode())


def _rows(store: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as database:
        return database.execute(
            "SELECT status, device, session, seq, topic FROM messages ORDER BY position"
        ).fetchall()


def _row(row: tuple[Any, ...]) -> str:
    return "  ".join("-" if cell is None else str(cell).encode("unicode_escape").decode()
                     for cell in row)  # fmt: skip


def log(case: Case, command: Command) -> str:
    """`tlog audit` of the folder `log`: the exit code and each finding."""
    line = ["tlog", "audit", "log", "--vkey", case.says["vkey"], "--json"]
    done = command(line)
    if not done.out:
        return f"{_marked(done.err)}[exit {done.code}]\n"
    findings = json.loads(done.out)["findings"]
    return "".join(f"{finding}\n" for finding in findings) + f"[exit {done.code}]\n"


def replay(case: Case, command: Command, play: Callable[..., Any], ledger: Any) -> str:
    """A recording played through a real broker into a collector: how many rows of each status."""
    play(Path(case.says.get("recording", "recording.jsonl")), **case.says.get("options", {}))
    rows = Counter((one.status, one.topic) for one in ledger.stored)
    return "".join(
        f"{count}  {status}  {topic}\n" for (status, topic), count in sorted(rows.items())
    )


RUNS = {"command": command, "parse": parse, "messages": messages, "log": log, "replay": replay}
