"""`factoryledger replay`: a recording back to MQTT."""

import asyncio
import json
import signal
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factoryledger import options

if TYPE_CHECKING:
    from factoryledger.installation import Installation
    from recorder.replay import Replayed


def replay(  # noqa: PLR0913 - a command's options
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The recording.")],
    *,
    broker: options.Broker = None,
    speed: Annotated[
        str,
        typer.Option(
            "--speed", metavar="X|max", help="Times as fast as recorded, or as fast as can be."
        ),
    ] = "1",
    qos: Annotated[
        str, typer.Option("--qos", metavar="0|1|2|keep", help="With which QoS; keep: as recorded.")
    ] = "1",
    retain: Annotated[
        str,
        typer.Option(
            "--retain", metavar="keep|never", help="Which messages are retained: as recorded, none."
        ),
    ] = "keep",
    topic: Annotated[
        list[str] | None,
        typer.Option(
            "--topic",
            metavar="FILTER",
            help="Only what matches (repeatable). [default: all]",
            show_default=False,
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude",
            metavar="FILTER",
            help="Not what matches (repeatable).",
            show_default=False,
        ),
    ] = None,
    remap: Annotated[
        list[str] | None,
        typer.Option(
            "--remap",
            metavar="OLD=NEW",
            help="Topics that begin with the levels OLD begin with NEW (repeatable, the first "
            "that fits); =NEW puts NEW before all.",
            show_default=False,
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="S|TIME",
            help="From so many seconds after the first message on, or from a time on.",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="S|TIME", help="Until before then.", show_default=False),
    ] = None,
    loop: Annotated[
        int | None,
        typer.Option(
            "--loop",
            metavar="N",
            min=0,
            help="Play it so many times; 0: until stopped.",
            show_default=False,
        ),
    ] = None,
    rebase: Annotated[
        str | None,
        typer.Option(
            "--rebase",
            metavar="now|TIME",
            help="Move the times in JSON payloads, as if the first message came then.",
            show_default=False,
        ),
    ] = None,
    sign: Annotated[
        Path | None,
        typer.Option(
            "--sign",
            metavar="DIR",
            help="Sign what was signed again, in new sessions, with the machines' keys of this "
            "data folder: one for tests, since its machines never said so. Keys that are not "
            "there are made and enrolled. [default: keep the signatures]",
            show_default=False,
        ),
    ] = None,
    send_times: Annotated[
        bool,
        typer.Option(
            "--send-times",
            help="Send each receive time in a user property, for `collect --clock recording`.",
        ),
    ] = False,
    keep_going: options.KeepGoing = False,
    json_: options.Json = False,
) -> None:
    """Publish a recording: same topics, same bytes, times as recorded.

    SIGUSR1 pauses it and lets it go on; elsewhere it begins by --from, and does not jump while
    it runs (programs can: `recorder.pace.Controls`). A broken line, one whose time goes back, and a
    recording that was cut short, is exit code 2, after everything before it was published; with
    --keep-going, a line whose time goes back is sent at once.
    """
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.replaying import (  # noqa: PLC0415 - on demand
        qos_of,
        rounds_of,
        score_of,
        speed_of,
    )
    from factoryledger.running import run_until_stopped, say  # noqa: PLC0415 - on demand

    place = installation(broker=broker)
    how: dict[str, Any] = {
        "speed": speed_of(speed),
        "qos": qos_of(qos),
        "rounds": rounds_of(loop),
        "times": send_times,
        "keep_going": keep_going,
        "score": score_of(
            topics=topic or (),
            exclude=exclude or (),
            remap=remap or (),
            start=from_,
            stop=to,
            retain=retain,
            rebase=rebase,
            sign=sign,
        ),
    }
    replayed = run_until_stopped(
        lambda stop: _run(place, file, how, stop), log_format=place.settings.log_format
    )
    counts = asdict(replayed)
    del counts["cut"]
    for reason in counts.pop("reasons"):
        say(f"kept going: {reason}", level="warning")
    if json_:
        typer.echo(json.dumps(counts))
    else:
        typer.echo(f"{file}: " + ", ".join(f"{name} {value}" for name, value in counts.items()))
    _judge(file, replayed, keep_going=keep_going)


def _judge(file: Path, replayed: "Replayed", *, keep_going: bool) -> None:
    """A part of a recording is no success, unless that was asked for."""
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand

    if replayed.complete is False and not keep_going:
        raise WrongUsage(
            f"{replayed.cut or file}; {replayed.sent} messages were sent (--keep-going takes it "
            "as it is)"
        )
    if replayed.refused:
        raise WrongUsage(
            f"{file}: the broker refused {replayed.refused} of {replayed.sent} messages: may this "
            "client publish on their topics?"
        )


async def _run(
    place: "Installation", file: Path, how: dict[str, Any], stop: asyncio.Event
) -> "Replayed":
    from factoryledger.running import ready  # noqa: PLC0415 - on demand
    from recorder.pace import Controls  # noqa: PLC0415 - on demand
    from recorder.replay import replay as run_replay  # noqa: PLC0415 - on demand

    controls, loop = Controls(), asyncio.get_running_loop()

    def toggle() -> None:
        if controls.paused:
            controls.resume(loop.time())
        else:
            controls.pause(loop.time())

    loop.add_signal_handler(signal.SIGUSR1, toggle)
    return await run_replay(
        address=place.broker,
        credentials=place.credentials,
        file=file,
        controls=controls,
        stop=stop,
        on_ready=ready(f"replay {file} to {place.broker}"),
        **how,
    )
