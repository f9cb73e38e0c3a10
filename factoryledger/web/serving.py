"""`factoryledger web`, wired: the server over what this installation has."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from itertools import count
from typing import TYPE_CHECKING

from anchor.errors import AnchorError
from anchor.keeping.impatient import Door
from factoryledger.errors import WrongUsage
from factoryledger.installation import Installation
from factoryledger.metrics import watched
from factoryledger.running import say
from factoryledger.watching import keys_at_hand
from factoryledger.web.answering import Answers
from factoryledger.web.corrected import Board
from factoryledger.web.files import LogFolder
from factoryledger.web.gate import PasswordGate
from factoryledger.web.looking import Looks
from factoryledger.web.proofs import Proofs
from telemetry.sparkplug_topic import sparkplug_filters
from telemetry.topic import factory_filters
from watch.floor.floor import Floor
from watch.floor.standing import Judge
from watch.web.app import Where, web_app
from watch.web.guard import is_loopback
from watch.web.listening import Ear
from watch.web.live import Hub
from watch.web.login import Login
from watch.web.lookout import Lookout
from watch.web.service import About, Line, Service
from watch.web.serving import listening, serve, url_of

if TYPE_CHECKING:
    from factoryledger.metrics.showing import WebProbe

_TICK = 1.0
_KEYS_EVERY = 5  # ticks between two looks for keys, where there were none
_MOST_CLIENTS = 512


def now() -> int:
    """Read the system's clock, in microseconds since 1970."""
    return time.time_ns() // 1000


async def run_web(
    places: Sequence[Installation], host: str, port: int, names: Sequence[str], stop: asyncio.Event
) -> None:
    """Serve until `stop`; `places` are three of one installation, for three threads.

    WrongUsage for an address beyond this machine without a password.
    """
    looked, asked, proved = places
    gate = PasswordGate(looked.settings.web_password)
    if not is_loopback(host) and not gate.closed:
        raise WrongUsage(
            f"--host {host}: others can reach that, so it needs a password: write one into a "
            "file and name it by FACTORYLEDGER_WEB_PASSWORD_FILE"
        )
    listener = listening(host, port)
    hub = Hub(Floor(judge=_judge(looked)), clock=now)
    prefix = looked.prefix
    ear = Ear(
        hub.floor,
        looked.broker,
        [*factory_filters(prefix), *sparkplug_filters(prefix)],
        looked.credentials,
        now,
    )
    board = Board()
    lookout = Lookout(Looks(looked, board), hub)
    service = Service(
        about=About(_name(looked), _origin(looked), version("factoryledger")),
        hub=hub,
        ear=ear,
        seen=lookout,
        answering=Answers(asked, board),
        proving=Proofs(proved),
        publishing=LogFolder(looked),
        clock=now,
        questions=Line("questions"),
        proofs=Line("proofs"),
    )
    login = Login(gate, clock=time.monotonic)

    async def tick(ending: asyncio.Event) -> None:
        for number in count(1):
            await asyncio.sleep(_TICK)
            if ending.is_set():
                return
            if ear.live:
                hub.floor.tick(now())
            if hub.floor.checking.judge is None and number % _KEYS_EVERY == 0:
                # Whoever starts first makes the data folder; it need not have been us.
                hub.floor.checking.judge = _judge(looked)

    app = web_app(service, login, Where(host, names))
    url = url_of(listener)
    try:
        async with watched("web", looked, partial(_probe, hub, ear, lookout)):
            await serve(
                app,
                listener,
                tasks=[ear.listen, lookout.watch, tick],
                stop=stop,
                on_ready=lambda: say(f"web on {url}: ready"),
                on_stop=hub.close,
                http=Door(most=_MOST_CLIENTS).protocol(),
            )
    finally:
        service.questions.close()
        service.proofs.close()


def _judge(place: Installation) -> Judge | None:
    """Give who judges what is live; None where no keys are to be had now: the page goes on."""
    with suppress(AnchorError, WrongUsage, OSError):
        # Of its own: the others are each another thread's.
        keys = keys_at_hand(Installation(place.settings))
        return None if keys is None else keys.status
    return None


def _probe(hub: Hub, ear: Ear, lookout: Lookout) -> "WebProbe":
    from factoryledger.metrics.showing import WebProbe  # noqa: PLC0415 - on demand

    return WebProbe(hub, ear, lookout)


def _origin(place: Installation) -> str | None:
    try:
        return place.policy.log.name
    except WrongUsage:
        return None


def _name(place: Installation) -> str:
    return place.settings.name or place.settings.data.absolute().name
