"""`factoryledger simulate-fault`: the operator lets a fault befall a machine that is running."""

import asyncio
import json
import ssl
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factoryledger import options

if TYPE_CHECKING:
    import aiomqtt

    from factoryledger.installation import Installation
    from simulator.faults.fault import FaultSpec

BIRTH_WITHIN = 5.0  # s: retained, so at once or not at all


def simulate_fault(  # noqa: PLR0913 - a command's options
    fault: Annotated[
        str,
        typer.Argument(
            metavar="FAULT",
            help="FAULT:MACHINE[/METRIC]@START+LASTS[,FIELD=VALUE...] (docs/faults.md); START "
            "counts from when the simulator takes it.",
        ),
    ],
    *,
    broker: options.Broker = None,
    prefix: options.Prefix = None,
    data: options.Data = None,
    wait: Annotated[
        float, typer.Option("--wait", metavar="S", help="For the machine to say that it began.")
    ] = 10.0,
    json_: options.Json = False,
) -> None:
    """Let a fault befall a machine of a running `simulate --commands`.

    Signs a command with the operator's key and publishes it on the machine's event topic; exit
    code 3 if the machine is not there, or does not say that the fault began.
    """
    from factoryledger.errors import NotThere, WrongUsage  # noqa: PLC0415 - on demand
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from simulator.faults.grammar import read_fault  # noqa: PLC0415 - on demand
    from telemetry.canonical import is_segment  # noqa: PLC0415 - on demand

    spec = read_fault(fault)
    if not is_segment(spec.machine):
        raise WrongUsage(f"{spec.machine!r}: a command is for one machine, by its name")
    place = installation(broker=broker, prefix=prefix, data=data)
    event = asyncio.run(_publish(place, spec, fault, wait))
    if event is None:
        raise NotThere(
            f"{spec.machine} does not say that the fault began; does it run by simulate "
            "--commands with this operator's key, and does it have what the fault needs?"
        )
    typer.echo(json.dumps(event) if json_ else f"{event['id']} began on {spec.machine}")


async def _publish(
    place: "Installation", spec: "FaultSpec", fault: str, wait: float
) -> dict[str, Any] | None:
    """Find the machine by its retained birth, command it, and hear what it says."""
    import aiomqtt  # noqa: PLC0415 - on demand

    from factoryledger.errors import NotThere  # noqa: PLC0415 - on demand

    at, who = place.broker, place.credentials
    tls = (who.tls or ssl.create_default_context()) if at.tls else None
    levels = [*filter(None, [place.prefix]), *"++++", spec.machine]
    try:
        async with aiomqtt.Client(
            at.host,
            at.port,
            username=who.username,
            password=who.password,
            protocol=aiomqtt.ProtocolVersion.V5,
            tls_context=tls,
        ) as client:
            await client.subscribe("/".join([*levels, "birth"]), qos=1)
            topic = await _born(client)
            if topic is None:
                return None
            await client.subscribe(topic, qos=1)
            await client.publish(topic, _signed(place, spec.machine, fault), qos=1)
            return await _began(client, topic, spec, wait)
    except aiomqtt.MqttError as error:
        raise NotThere(f"no broker answers at {at} ({error}); is it running?") from error


def _signed(place: "Installation", device: str, fault: str) -> bytes:
    from anchor.command import sign_command  # noqa: PLC0415 - on demand

    now = time.time_ns() // 1000
    return sign_command(operator=place.data.operator, device=device, fault=fault, time=now)


async def _born(client: "aiomqtt.Client") -> str | None:
    """The machine's event topic, from the topic of its birth."""
    try:
        async with asyncio.timeout(BIRTH_WITHIN):
            async for message in client.messages:
                return str(message.topic).removesuffix("birth") + "event"
    except TimeoutError:
        pass
    return None


async def _began(
    client: "aiomqtt.Client", topic: str, spec: "FaultSpec", wait: float
) -> dict[str, Any] | None:
    """The machine's own word that a fault of this name began on this topic."""
    try:
        async with asyncio.timeout(spec.start / 1000 + wait):
            async for message in client.messages:
                event = _event(message.payload) if str(message.topic) == topic else {}
                named = event.get("fault") == spec.fault  # type: ignore[attr-defined]  # every spec's tag
                if named and event.get("name") == "fault-began":
                    return event
    except TimeoutError:
        pass
    return None


def _event(payload: object) -> dict[str, Any]:
    """The event of a message; empty for anything else. Nothing rests on it but what is shown."""
    try:
        event = json.loads(payload)["event"] if isinstance(payload, bytes | bytearray) else {}
    except (ValueError, KeyError, TypeError):
        return {}
    return event if isinstance(event, dict) else {}
