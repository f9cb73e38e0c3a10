"""`factoryledger replay`: a recording back to MQTT."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factoryledger import options

if TYPE_CHECKING:
    from factoryledger.installation import Installation
    from recorder.replay import Replayed


def replay(
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
        str, typer.Option("--qos", metavar="0|1|keep", help="With which QoS; keep: as recorded.")
    ] = "1",
    json_: options.Json = False,
) -> None:
    """Publish a recording: same topics, same bytes, times as recorded.

    A broken line is exit code 2, after everything before it was published.
    """
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.running import run_until_stopped  # noqa: PLC0415 - on demand

    place, factor, quality = installation(broker=broker), _speed(speed), _qos(qos)
    replayed = run_until_stopped(
        lambda stop: _run(place, file, factor, quality, stop),
        log_format=place.settings.log_format,
    )
    counts = asdict(replayed)
    if json_:
        typer.echo(json.dumps(counts))
    else:
        typer.echo(f"{file}: " + ", ".join(f"{name} {value}" for name, value in counts.items()))


async def _run(
    place: "Installation", file: Path, speed: float | None, qos: int | None, stop: asyncio.Event
) -> "Replayed":
    from factoryledger.running import ready  # noqa: PLC0415 - on demand
    from recorder.replay import replay as run_replay  # noqa: PLC0415 - on demand

    return await run_replay(
        address=place.broker,
        credentials=place.credentials,
        file=file,
        speed=speed,
        qos=qos,
        stop=stop,
        on_ready=ready(f"replay {file} to {place.broker}"),
    )


def _speed(text: str) -> float | None:
    """Read `--speed`; None is `max`."""
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand

    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise WrongUsage(f"--speed {text!r}: a number above 0, or max")
    return speed


def _qos(text: str) -> int | None:
    """Read `--qos`; None is `keep`."""
    from factoryledger.errors import WrongUsage  # noqa: PLC0415 - on demand

    if text not in {"0", "1", "keep"}:
        raise WrongUsage(f"--qos {text!r}: 0, 1 or keep")
    return None if text == "keep" else int(text)
