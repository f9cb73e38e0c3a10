"""A web server over a small ledger, asked in this process; and one that serves, for streams."""

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from factoryledger.cli import run
from factoryledger.data_dir import DataDir
from factoryledger.enrolment import Enrolments
from factoryledger.installation import installation
from factoryledger.web.answering import Answers
from factoryledger.web.corrected import Board
from factoryledger.web.files import LogFolder
from factoryledger.web.gate import PasswordGate
from factoryledger.web.looking import Looks
from factoryledger.web.proofs import Proofs
from simulator.offline import test_key as key_of_recording
from watch.floor.floor import Floor
from watch.web.app import Where, web_app
from watch.web.live import Hub
from watch.web.login import Login
from watch.web.lookout import Lookout
from watch.web.service import About, Line, Service

sys.path.insert(0, str(Path(__file__).parent))

START = 1_767_225_600_000_000  # when a recording of the simulator begins


@pytest.fixture(scope="session")
def stored(tmp_path_factory):
    """A ledger of three machines' 20 s, anchored; nobody changes it."""
    folder = tmp_path_factory.mktemp("web")
    data, recording = folder / "works", folder / "factory.jsonl"
    made = ["--machines", 3, "--duration", 20, "--seed", 7]
    call("simulate", *made, "--out", recording)
    place = DataDir(data)
    place.create()
    lines = [json.loads(line) for line in recording.read_text().splitlines()[1:-1]]
    for device in sorted({line["topic"].split("/")[4] for line in lines}):
        place.replace_device(device, key_of_recording(7, device))
        Enrolments(place).ensure_device(device)
    call("ingest", recording, "--data", data)
    call("anchor", "--once", "--data", data)
    return SimpleNamespace(path=data, recording=recording, lines=lines)


def call(*arguments):
    assert int(run([str(argument) for argument in arguments])) == 0


class Ear:
    """The broker's side, as a test says that it is."""

    live = True
    why = ""


class World:
    """All that stands behind the addresses, over one installation."""

    def __init__(self, data, *, password=None, where=None, pause=None, clock=None, **flags):
        self.now = START
        self.place = installation(data=data, **flags)
        self.floor = Floor()
        self.hub = Hub(self.floor, clock=clock or (lambda: self.now))
        self.ear = Ear()
        board = Board()
        self.lookout = Lookout(Looks(self.place, board), self.hub)
        self.service = Service(
            about=About("works", "example/log", "0"),
            hub=self.hub,
            ear=self.ear,
            seen=self.lookout,
            answering=Answers(self.place, board),
            proving=Proofs(self.place),
            publishing=LogFolder(self.place),
            clock=clock or (lambda: self.now),
            questions=Line("questions"),
            proofs=Line("proofs"),
        )
        self.seconds = 0.0
        options = {} if pause is None else {"pause": pause}
        gate = PasswordGate(password)
        self.login = Login(gate, clock=lambda: self.seconds, **options)
        self.app = web_app(self.service, self.login, where or Where())

    def look(self):
        """Look at store and log once, as the lookout's thread does."""
        self.lookout.take(*self.lookout.look(self.seconds))

    def hear(self, lines):
        for line in lines:
            payload = line["json"] if "json" in line else line["text"]
            text = payload if isinstance(payload, str) else json.dumps(payload)
            self.floor.hear(line["topic"], text.encode(), self.now)

    def client(self, base="http://127.0.0.1", **options):
        transport = httpx.ASGITransport(app=self.app)
        return httpx.AsyncClient(transport=transport, base_url=base, **options)

    def get(self, path, **options):
        """Ask once, in a loop of its own."""

        async def ask():
            async with self.client() as client:
                return await client.get(path, **options)

        return asyncio.run(ask())

    def close(self):
        self.service.questions.close()
        self.service.proofs.close()
        self.place.close()


@pytest.fixture
def worlds():
    with contextlib.ExitStack() as stack:

        def make(data, **options):
            world = World(data, **options)
            stack.callback(world.close)
            return world

        yield make


@pytest.fixture
def world(stored, worlds):
    """A server over the stored ledger, with its messages heard, that has looked once."""
    made = worlds(stored.path)
    made.hear(stored.lines)
    made.look()
    return made
