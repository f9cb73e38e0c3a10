"""A gateway at work: its sources and its broker as the settings and the mapping name them."""

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from anchor.policy import CheckpointVerifier
from anchor.receipts import ReceiptVerifier
from factoryledger.broker_book import MACHINE
from factoryledger.broker_identity import certified
from factoryledger.errors import NotThere, WrongUsage
from factoryledger.files import first_line
from factoryledger.gatewaying.keys import keys_for
from factoryledger.installation import Installation
from factoryledger.metrics import watched
from factoryledger.metrics.gatewaying import GatewayProbe
from factoryledger.running import allow_files, ready, run_until_stopped
from gateway.filters import apart, overlap
from gateway.mapping import Broker, Mapping
from gateway.mqtt_source import MqttSource
from gateway.service import GatewayAccount, Tally, run_gateway
from gateway.uplink import own_filters
from simulator.wire import Wire
from telemetry.address import Address, Credentials

if TYPE_CHECKING:
    from gateway.ports import Listening

_OTHER_FILES = 256


def run(
    place: Installation,
    mapping: Mapping,
    source: str | None,
    outbox: Path | None,
    duration: float | None,
) -> Tally:
    """Run until it is stopped, or for so many seconds; nothing is heard before all is ready."""
    folder = (outbox or place.data.path / "gateway" / mapping.gateway).absolute()
    address = _source_address(place, mapping, source)
    _refuse_loops(place, mapping, address)
    keys = keys_for(place, mapping, folder)
    folder.mkdir(parents=True, exist_ok=True)
    devices = max(len(mapping.devices), mapping.devices_at_most)
    allow_files(2 * devices + _OTHER_FILES, f"a gateway for {devices} devices")
    heard = [str(address)] if mapping.rule else []
    heard += [mapping.opcua.url] if mapping.opcua is not None else []
    said = ready(f"gateway {mapping.gateway} from {' and '.join(heard)} to {place.broker}")
    who = _credentials(place, mapping)

    async def main(stop: asyncio.Event) -> Tally:
        sources = list(_sources(place, mapping, address))
        operator = place.policy.operator or place.data.operator_public
        account = GatewayAccount()
        async with watched("gateway", place, partial(GatewayProbe, account, folder)):
            return await run_gateway(
                mapping=mapping,
                sources=sources,
                wire=Wire(
                    place.broker,
                    lambda _name: who,
                    place.prefix,
                    place.settings.resend_after,
                    None,
                    place.settings.shut_out_retry,
                ),
                folder=folder,
                keys=keys,
                receipts=ReceiptVerifier(operator, place.policy.log.name),
                checkpoints=CheckpointVerifier(place.policy),
                duration=duration,
                drain=place.settings.drain,
                stop=stop,
                on_ready=said,
                account=account,
            )

    return run_until_stopped(main, log_format=place.settings.log_format)


def _source_address(place: Installation, mapping: Mapping, source: str | None) -> Address:
    named = source or (None if mapping.source is None else mapping.source.broker)
    if named is None:
        return place.broker
    try:
        return Address.parse(named)
    except ValueError as error:
        where = "--source" if source else "source.broker"
        raise WrongUsage(f"{where}: {error}") from error


def _refuse_loops(place: Installation, mapping: Mapping, address: Address) -> None:
    """One broker on both sides: no rule may hear what this gateway or the ledger says itself."""
    if address != place.broker:
        return
    for number, (asked, _) in enumerate(mapping.filters, 1):
        for own in own_filters(mapping, place.prefix):
            if overlap(asked, own):
                rule = f"rule.{number}" if number <= len(mapping.rule) else "otherwise"
                raise WrongUsage(
                    f"{rule}.topic: {asked!r} would hear {own!r}, which this gateway or the "
                    f"ledger says itself on the same broker; write a narrower filter, or use "
                    "--prefix or another place"
                )


def _credentials(place: Installation, mapping: Mapping) -> Credentials:
    """At the ledger's broker: the gateway's certificate where it is here, else the settings'."""
    if place.broker.tls and place.broker_files.ready:
        name = f"gateway.{mapping.gateway}"
        try:
            return certified(place.broker_files.path / MACHINE, name)
        except NotThere as error:
            raise NotThere(
                f"{name} has no certificate; make one by `factoryledger device gateway "
                f"{mapping.gateway} {mapping.place}`"
            ) from error
    return place.credentials


def _sources(place: Installation, mapping: Mapping, address: Address) -> "list[Listening]":
    found: list[Listening] = []
    if mapping.rule:
        named = mapping.source or Broker(broker=str(address))
        same = mapping.source is None and address == place.broker
        found.append(
            MqttSource(
                address,
                client_id=named.client_id or f"factoryledger-gateway-{mapping.gateway}",
                filters=apart(mapping.filters),
                credentials=place.credentials if same else _at_source(named),
                version=named.version,
            )
        )
    if mapping.opcua is not None:
        from gateway.opcua_source import OpcUaSource  # noqa: PLC0415 - an extra

        server = mapping.opcua
        password = _password(server.password_file)
        found.append(OpcUaSource(server, [one.node for one in mapping.node], password))
    return found


def _at_source(named: Broker) -> Credentials:
    password = _password(named.password_file)
    files = (named.ca_file, named.certificate_file, named.key_file)
    if not any(files):
        return Credentials(named.user, password)
    from factoryledger.shown_certificates import tls_context  # noqa: PLC0415 - on demand

    authority, certificate, key = (None if one is None else Path(one) for one in files)
    return Credentials(named.user, password, tls_context(authority, certificate, key))


def _password(file: str | None) -> str | None:
    return None if file is None else first_line(Path(file), "password")
