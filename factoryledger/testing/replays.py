"""`replay("file")`: a recording into the test's broker, all of it, or the test fails."""

import asyncio
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any, Final

from factoryledger.replaying import qos_of, rounds_of, score_of, speed_of
from factoryledger.testing.cassette import Cassette
from factoryledger.testing.ledger import Ledger
from factoryledger.testing.mosquitto import Mosquitto
from recorder.replay import Replayed
from recorder.replay import replay as run_replay

GALLERY: Final = Path(__file__).with_name("recordings")
_SUFFIXES: Final = ("", ".jsonl", ".jsonl.zst")


class Replays:
    """Plays recordings under the test's prefix; `await` it in an async test, not in another."""

    def __init__(self, mosquitto: Mosquitto, folder: Path, cassette: Cassette | None) -> None:
        self._mosquitto = mosquitto
        self._folder = folder
        self._cassette = cassette

    def __call__(  # noqa: PLR0913 - what `factoryledger replay` takes
        self,
        file: str | Path | None = None,
        *,
        speed: float | str = "max",
        qos: int | str = 1,
        topics: Sequence[str] = (),
        exclude: Sequence[str] = (),
        remap: Sequence[str] = (),
        start: str | float | None = None,
        stop: str | float | None = None,
        loop: int = 1,
        rebase: str | None = None,
        sign: Path | None = None,
        times: bool = False,
        enrol: Ledger | None = None,
        keep_going: bool = False,
    ) -> Any:
        """Play a file, or what the marker `recorded` names; gives the `Replayed`.

        Found beside the test, in its folder `recordings`, or in the gallery that comes with
        factoryledger, with or without its suffix. Other arguments as the options of
        `factoryledger replay`; `remap` comes before the prefix. With `enrol`, that ledger
        first enrols the machines of a simulated recording. AssertionError unless every
        message was sent and taken by the broker.
        """
        score = score_of(
            topics=topics,
            exclude=exclude,
            remap=remap,
            start=None if start is None else str(start),
            stop=None if stop is None else str(stop),
            rebase=rebase,
            sign=sign,
            prefix=self._mosquitto.prefix,
        )
        work = self._play(
            file,
            enrol,
            keep_going=keep_going,
            speed=speed_of(str(speed)),
            qos=qos_of(str(qos)),
            rounds=rounds_of(loop),
            times=times,
            score=score,
        )
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(work)
        return work

    async def _play(
        self, file: str | Path | None, enrol: Ledger | None, *, keep_going: bool, **how: Any
    ) -> Replayed:
        __tracebackhide__ = True
        path = await self._marked() if file is None else self._found(Path(file))
        if enrol is not None:
            enrol.enrol_machines(path)
        played = await run_replay(
            address=self._mosquitto.address,
            file=path,
            stop=asyncio.Event(),
            keep_going=keep_going,
            **how,
        )
        if not (played.whole or keep_going):
            raise AssertionError(f"{path} was not replayed as a whole: {played}")
        return played

    def _marked(self) -> Awaitable[Path]:
        if self._cassette is None:
            raise ValueError("replay() without a file wants @pytest.mark.recorded(FILE)")
        return self._cassette.ready()

    def _found(self, name: Path) -> Path:
        places = (self._folder, self._folder / "recordings", GALLERY)
        for place in places:
            for suffix in _SUFFIXES:
                path = place / f"{name}{suffix}"
                if path.is_file():
                    return path
        raise FileNotFoundError(f"no recording {name} in {', '.join(map(str, places))}")
