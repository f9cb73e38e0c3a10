"""PyPI's `aics-witness`, a stranger's program, cosigns our log over HTTP and refuses a fork."""

import asyncio
import re
import socket
import subprocess
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from anchor_plant import Plant, key_of
from check_log import check_log, cosigners

from anchor.checkpoint import Checkpoint, sign_checkpoint
from anchor.cosignature import check_cosignature
from anchor.keeping.add_checkpoint import AddCheckpoint
from anchor.keeping.service import run_anchor
from anchor.note import Note, VerifierKey
from anchor.policy import Policy, Witness, write_policy

PROGRAM = Path(__file__).parents[2] / ".venv-witness" / "bin" / "aics-witness"
NAME = "witness.example/stranger"

pytestmark = pytest.mark.skipif(
    not PROGRAM.exists(),
    reason="no aics-witness: `make witness` builds .venv-witness where there is Python 3.12",
)


def call(folder, command, *arguments):
    config = ["--config", folder / "witness.json"]
    done = subprocess.run(
        [PROGRAM, command, *config, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def stranger(folder, log):
    """The program, serving for our log; gives its key and address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    vkey = call(folder, "init", "--name", NAME, "--listen", listen)
    call(folder, "add-log", "--origin", log.name, "--vkey", str(log))
    process = subprocess.Popen(
        [PROGRAM, "serve", "--config", folder / "witness.json"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for line in process.stderr:
            if re.search(rf"{re.escape(listen)}", line):
                break
        yield VerifierKey.from_text(vkey), f"http://{listen}"
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.e2e
def test_a_strangers_witness_cosigns_our_log_and_refuses_another(tmp_path):
    plant = Plant()
    log = plant.key.verifier
    with stranger(tmp_path, log) as (key, url):
        witnesses = [Witness("stranger", key, url)]
        policy = Policy.from_bytes(write_policy(log, plant.operator.verifier, witnesses, "all"))

        def anchor():
            asyncio.run(
                run_anchor(
                    batches=plant,
                    requests=plant,
                    folder=tmp_path / "log",
                    db=tmp_path / "anchor.db",
                    key=plant.key,
                    policy=policy,
                    stop=asyncio.Event(),
                    once=True,
                )
            )

        for count in (1, 300, 2):
            for _ in range(count):
                plant.collector().commit()
            anchor()
            size = check_log(tmp_path / "log", policy).checkpoint.size
            note = (tmp_path / "log/checkpoint").read_bytes()
            assert cosigners(note) == [log.name, NAME]
            assert check_cosignature(Note.from_bytes(note), key)

        # What it shows everybody is what we published, and another history it does not cosign.
        shown = httpx.get(f"{url}/{sha256(log.name.encode()).hexdigest()}/checkpoint").content
        assert policy.open(shown).checkpoint == policy.open(note).checkpoint
        fork = sign_checkpoint(Checkpoint(log.name, size, bytes(32)), plant.key)
        body = AddCheckpoint(size, (), fork).to_bytes()
        assert httpx.post(f"{url}/add-checkpoint", content=body).status_code == 422
        alien = sign_checkpoint(
            Checkpoint("example.org/alien", 1, bytes(32)), key_of("example.org/alien")
        )
        body = AddCheckpoint(0, (), alien).to_bytes()
        assert httpx.post(f"{url}/add-checkpoint", content=body).status_code == 404
