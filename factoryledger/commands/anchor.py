"""`factoryledger anchor`: appends what collectors committed to the anchor log and publishes it."""

import asyncio
import secrets
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from factoryledger import options
from factoryledger.commands import anchor_deploy, anchor_monitor
from factoryledger.manual import Commands

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anchor.account import AnchorAccount
    from factoryledger.installation import Installation
    from factoryledger.metrics.anchoring import AnchorProbe, Delays
    from factoryledger.stores import Stores


_LOOK = 0.2  # s: between two looks at a store that is being made

app = Commands(invoke_without_command=True)
app.command("monitor")(anchor_monitor.monitor)
app.command("deploy")(anchor_deploy.deploy)


@app.callback()
def anchor(  # noqa: PLR0913 - a command's options
    context: typer.Context,
    *,
    broker: options.Broker = None,
    prefix: options.Prefix = None,
    data: options.Data = None,
    database: options.Databases = None,
    log: options.Log = None,
    policy: options.PolicyFile = None,
    every: Annotated[
        float | None,
        typer.Option(
            "--every",
            metavar="S",
            help="Look for new batches so often. [default: 1]",
            show_default=False,
        ),
    ] = None,
    every_batches: Annotated[
        int | None,
        typer.Option(
            "--every-batches",
            metavar="N",
            help="Look as well as soon as so many batches wait. [default: 0, by time alone]",
            show_default=False,
        ),
    ] = None,
    once: Annotated[
        bool,
        typer.Option("--once", help="Anchor what is there, publish, end; no broker is needed."),
    ] = False,
    ledger: Annotated[
        list[str] | None,
        typer.Option(
            "--ledger",
            metavar="NAME=URL",
            help="Give checkpoints to this outside ledger too: one of the file, or tsa, evm, "
            "ots; repeatable. What pins it stands in the file.",
            show_default=False,
        ),
    ] = None,
    ledgers: options.Ledgers = None,
    metrics: options.Metrics = None,
) -> None:
    """Run the anchor: batches and key entries into the log, cosigned checkpoints out.

    With `--once` it tells the broker of the new checkpoint only if `--broker` is given, and
    ends with exit code 1 if something was refused.
    """
    if context.invoked_subcommand is not None:
        return
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.running import run_until_stopped  # noqa: PLC0415 - on demand

    place = installation(
        broker=broker,
        prefix=prefix,
        data=data,
        database=database,
        log=log,
        policy=policy,
        every=every,
        every_batches=every_batches,
        ledger=ledger,
        ledgers=ledgers,
        metrics=metrics,
    )
    announces = not once or broker is not None
    with place:
        place.data.create()
        run_until_stopped(
            lambda stop: _run(place, stop, once=once, announces=announces),
            log_format=place.settings.log_format,
        )


async def _run(place: "Installation", stop: asyncio.Event, *, once: bool, announces: bool) -> None:
    from anchor.account import AnchorAccount  # noqa: PLC0415 - on demand
    from anchor.keeping.service import run_anchor  # noqa: PLC0415 - on demand
    from factoryledger.errors import FoundFalse  # noqa: PLC0415 - on demand
    from factoryledger.metrics import watched  # noqa: PLC0415 - on demand
    from factoryledger.outside import outside_ledgers  # noqa: PLC0415 - on demand
    from factoryledger.running import ready  # noqa: PLC0415 - on demand
    from factoryledger.stores import Tailed  # noqa: PLC0415 - on demand

    account = AnchorAccount()
    async with AsyncExitStack() as stack:
        outside = outside_ledgers(place)
        for one in outside:
            stack.push_async_callback(one.ledger.aclose)
        await stack.enter_async_context(watched("anchor", place, partial(_probe, account, place)))
        ledger = place.ledger if once else await _made(place, stop)
        if ledger is None:
            return
        publish = await _announcer(place, stack) if announces else None
        await run_anchor(
            batches=Tailed(ledger),
            requests=place.data.requests,
            folder=place.log,
            db=place.data.anchor_db,
            key=place.data.anchor,
            policy=place.policy,
            every=place.settings.every,
            every_batches=place.settings.every_batches,
            once=once,
            publish=publish,
            stop=stop,
            on_ready=ready(f"anchor {place.data.origin}"),
            account=account,
            on_published=_delays(place, account),
            ledgers=outside,
        )
    if once and account.refused:
        raise FoundFalse(
            f"{account.refused} of what collectors or the operator gave is refused and not in the "
            "log; the rest is published. The lines above name each; `factoryledger audit` says "
            "whose key is to blame"
        )


async def _made(place: "Installation", stop: asyncio.Event) -> "Stores | None":
    """The stores, once the collector that is making one has made it; None where told to stop."""
    import structlog  # noqa: PLC0415 - on demand

    from collector.errors import StoreUnmade  # noqa: PLC0415 - on demand

    log, said = structlog.get_logger("anchor"), False
    while not stop.is_set():
        try:
            return place.ledger
        except StoreUnmade as error:
            if not said:
                log.warning("store-unmade", reason=str(error))
            said = True
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _LOOK)
    return None


def _probe(account: "AnchorAccount", place: "Installation") -> "AnchorProbe":
    from factoryledger.metrics.anchoring import AnchorProbe  # noqa: PLC0415 - on demand

    return AnchorProbe(account, place.log)


def _delays(place: "Installation", account: "AnchorAccount") -> "Delays | None":
    """Give what observes how long batches waited, where somebody looks."""
    if place.metrics is None:
        return None
    from factoryledger.metrics.anchoring import Delays  # noqa: PLC0415 - on demand

    return Delays(place, account)


async def _announcer(
    place: "Installation", stack: AsyncExitStack
) -> "Callable[[bytes], Awaitable[None]]":
    """Connect to the broker; gives what publishes a checkpoint on its retained topic."""
    from telemetry.link import Link  # noqa: PLC0415 - on demand
    from telemetry.topic import checkpoint_topic  # noqa: PLC0415 - on demand

    topic = checkpoint_topic(place.prefix)
    newest: list[bytes] = []
    again: set[asyncio.Task[int]] = set()

    def connected(_session_present: bool) -> None:
        # A broker that was started anew may have forgotten what was retained.
        for note in newest:
            task = asyncio.ensure_future(link.publish(topic, note, qos=1, retain=True))
            again.add(task)
            task.add_done_callback(_forget(again))

    link = Link(
        place.broker,
        # Random: the origin is public, and who says another's client id ends its connection.
        client_id=f"factoryledger-anchor-{secrets.token_hex(8)}",
        username=place.credentials.username,
        password=place.credentials.password,
        tls=place.credentials.tls,
        on_connected=connected,
    )
    await stack.enter_async_context(link)

    async def publish(note: bytes) -> None:
        newest[:] = [note]
        await link.publish(topic, note, qos=1, retain=True)

    return publish


def _forget(tasks: "set[asyncio.Task[int]]") -> "Callable[[asyncio.Task[int]], None]":
    """Give what lets go of a finished task; if the connection went again, so be it."""

    def done(task: "asyncio.Task[int]") -> None:
        tasks.discard(task)
        if not task.cancelled():
            task.exception()

    return done
