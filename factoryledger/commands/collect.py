"""`factoryledger collect`: every message stored once, hashed, receipted."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from factoryledger import options

if TYPE_CHECKING:
    from collector.account import Account
    from collector.limits import Limits
    from collector.stats import Stats
    from factoryledger.installation import Installation
    from factoryledger.metrics.collecting import CollectorProbe


def collect(  # noqa: PLR0913 - a command's options
    *,
    broker: options.Broker = None,
    prefix: options.Prefix = None,
    topic: Annotated[
        list[str] | None,
        typer.Option(
            "--topic",
            metavar="FILTER",
            help="What to subscribe to (repeatable). [default: the factory's own topics]",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="Which of several collectors this is: its store is ledger-NAME.db in the data "
            "folder.",
            show_default=False,
        ),
    ] = None,
    share: Annotated[
        str | None,
        typer.Option(
            "--share",
            metavar="GROUP",
            help="Share the topics with every collector of this group; the broker gives each "
            "message to one of them. auto: a group that nobody can guess, kept in the data folder.",
            show_default=False,
        ),
    ] = None,
    session_expiry: Annotated[
        int | None,
        typer.Option(
            "--session-expiry",
            metavar="S",
            help="How long the broker keeps messages for this collector while it is away. "
            "[default: for ever]",
            show_default=False,
        ),
    ] = None,
    data: options.Data = None,
    database: options.Database = None,
    log: options.Log = None,
    policy: options.PolicyFile = None,
    flush_count: Annotated[
        int | None,
        typer.Option(
            "--flush-count",
            metavar="N",
            help="Commit after so many messages. [default: 2000]",
            show_default=False,
        ),
    ] = None,
    flush_seconds: Annotated[
        float | None,
        typer.Option(
            "--flush-seconds",
            metavar="S",
            help="Or after so many seconds. [default: 0.25]",
            show_default=False,
        ),
    ] = None,
    clock: Annotated[
        str | None,
        typer.Option(
            "--clock",
            metavar="system|recording",
            help="Whose time messages are received at; recording: that of `replay --send-times`, "
            "for tests, since any client can then say when its message came. [default: system]",
            show_default=False,
        ),
    ] = None,
    anchored_within: Annotated[
        float | None,
        typer.Option(
            "--anchored-within",
            metavar="S",
            help="What receipts promise. [default: 300]",
            show_default=False,
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            "--processes",
            metavar="N",
            help="How many processes check signatures, once there is much to check; 0 checks "
            "them in this one. [default: one for each core, 0 where there is one]",
            show_default=False,
        ),
    ] = None,
    rebirth: Annotated[
        bool | None,
        typer.Option(
            "--rebirth/--no-rebirth",
            help="Ask Sparkplug nodes for births that were not heard (NCMD). [default: ask]",
            show_default=False,
        ),
    ] = None,
    limit_payload: Annotated[
        int | None,
        typer.Option(
            "--limit-payload",
            metavar="BYTES",
            help="Refuse larger payloads; 0: none. [default: 16777216]",
            show_default=False,
        ),
    ] = None,
    limit_properties: Annotated[
        int | None,
        typer.Option(
            "--limit-properties",
            metavar="BYTES",
            help="Refuse messages with more MQTT properties; 0: none. [default: 65536]",
            show_default=False,
        ),
    ] = None,
    limit_rate: Annotated[
        float | None,
        typer.Option(
            "--limit-rate",
            metavar="N",
            help="Refuse what a sender publishes beyond so many messages/s; a sender is a topic "
            "without its last level, as MQTT names no clients. [default: 0, no limit]",
            show_default=False,
        ),
    ] = None,
    limit_bytes: Annotated[
        float | None,
        typer.Option(
            "--limit-bytes",
            metavar="N",
            help="The same in bytes of payload a second. [default: 0, no limit]",
            show_default=False,
        ),
    ] = None,
    limit_unproven: Annotated[
        float | None,
        typer.Option(
            "--limit-unproven",
            metavar="N",
            help="Refuse what no enrolled key has signed, beyond so many messages/s of all "
            "senders together. [default: 0, no limit]",
            show_default=False,
        ),
    ] = None,
    limit_unknown: Annotated[
        float | None,
        typer.Option(
            "--limit-unknown",
            metavar="N",
            help="Refuse signed messages of devices that nobody has enrolled, beyond so many a "
            "second; they then count no more against --limit-unproven. [default: 0, no limit]",
            show_default=False,
        ),
    ] = None,
    limit_checks: Annotated[
        float | None,
        typer.Option(
            "--limit-checks",
            metavar="N",
            help="Check at most so many signatures a second of senders of whom none was good "
            "yet, all together; refuse the rest unchecked. [default: 0, no limit]",
            show_default=False,
        ),
    ] = None,
    metrics: options.Metrics = None,
) -> None:
    """Run the collector: it acknowledges what is committed, and nothing before."""
    from factoryledger.installation import installation  # noqa: PLC0415 - on demand
    from factoryledger.running import run_until_stopped, say  # noqa: PLC0415 - on demand

    place = installation(
        broker=broker,
        prefix=prefix,
        name=name,
        share=share,
        session_expiry=session_expiry,
        data=data,
        database=database,
        log=log,
        policy=policy,
        flush_count=flush_count,
        flush_seconds=flush_seconds,
        clock=clock,
        anchored_within=anchored_within,
        rebirth=rebirth,
        limit_payload=limit_payload,
        limit_properties=limit_properties,
        limit_rate=limit_rate,
        limit_bytes=limit_bytes,
        limit_unproven=limit_unproven,
        limit_unknown=limit_unknown,
        limit_checks=limit_checks,
        processes=processes,
        metrics=metrics,
    )
    place.data.create()
    log_format = place.settings.log_format
    stats = run_until_stopped(lambda stop: _run(place, topic, stop), log_format=log_format)
    say(f"collect: ended, {stats.stored} stored in {stats.batches} batches")


# On a broker for everybody, unless the settings say otherwise: a stranger fills a disk no faster.
_PUBLIC = {"limit_unproven": 20.0, "limit_unknown": 5.0, "limit_checks": 200.0}


def _limits(place: "Installation") -> "Limits":
    """Zero is no limit."""
    from collector.limits import Limits  # noqa: PLC0415 - on demand

    settings = place.settings
    if place.public:
        unsaid = {k: v for k, v in _PUBLIC.items() if k not in settings.model_fields_set}
        settings = settings.model_copy(update=unsaid)
    return Limits(
        payload=settings.limit_payload or None,
        properties=settings.limit_properties or None,
        rate=settings.limit_rate or None,
        bytes=settings.limit_bytes or None,
        unproven=settings.limit_unproven or None,
        unknown=settings.limit_unknown or None,
        checks=settings.limit_checks or None,
    )


async def _run(place: "Installation", topics: list[str] | None, stop: asyncio.Event) -> "Stats":
    from anchor.key_entry import OperatorAuthority  # noqa: PLC0415 - on demand
    from collector.account import Account  # noqa: PLC0415 - on demand
    from collector.service import collect as run_collector  # noqa: PLC0415 - on demand
    from factoryledger.erasing import keeping  # noqa: PLC0415 - on demand
    from factoryledger.identity import anchored_size, identity_of  # noqa: PLC0415 - on demand
    from factoryledger.metrics import watched  # noqa: PLC0415 - on demand
    from factoryledger.running import few_collections, helpers, ready  # noqa: PLC0415 - on demand
    from factoryledger.spare_keys import new_collector  # noqa: PLC0415 - on demand
    from telemetry.link import Link  # noqa: PLC0415 - on demand
    from telemetry.sparkplug_topic import sparkplug_filters  # noqa: PLC0415 - on demand
    from telemetry.topic import factory_filters, shared  # noqa: PLC0415 - on demand

    few_collections()
    settings, credentials = place.settings, place.credentials
    default = [*factory_filters(place.prefix), *sparkplug_filters(place.prefix)]
    account = Account()
    async with watched("collect", place, partial(_probe, account, place)):
        return await run_collector(
            store_url=place.database_url,
            link=partial(
                Link,
                place.broker,
                username=credentials.username,
                password=credentials.password,
                tls=credentials.tls,
            ),
            filters=[shared(topic, place.share) for topic in topics or default],
            identity_for=partial(identity_of, place.data),
            authority=OperatorAuthority(place.data.operator_public),
            requests=place.data.requests,
            stop=stop,
            prefix=place.prefix,
            flush_count=settings.flush_count,
            flush_seconds=settings.flush_seconds,
            session_expiry=settings.session_expiry,
            recorded_clock=settings.clock == "recording",
            anchored_within=settings.anchored_within,
            limits=_limits(place),
            rebirth=settings.rebirth,
            processes=helpers(settings.processes),
            anchored_size=partial(anchored_size, place),
            holds=place.holds_collector,
            new_id=partial(new_collector, place.data),
            keeping=keeping(place),
            on_ready=ready(f"collect from {place.broker}"),
            account=account,
        )


def _probe(account: "Account", place: "Installation") -> "CollectorProbe":
    from collector.database import sqlite_path  # noqa: PLC0415 - on demand
    from factoryledger.metrics.collecting import CollectorProbe  # noqa: PLC0415 - on demand

    store = sqlite_path(place.database_url)
    return CollectorProbe(account, None if store is None else store.parent)
