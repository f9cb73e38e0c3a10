"""A probe of each command that `--metrics` watches, before anything happened."""

import time

from anchor.account import AnchorAccount, LedgerAccount, WitnessAccount
from collector.account import Account
from factoryledger.metrics.anchoring import AnchorProbe, WitnessProbe
from factoryledger.metrics.collecting import CollectorProbe
from factoryledger.metrics.gatewaying import GatewayProbe
from factoryledger.metrics.showing import WebProbe
from factoryledger.metrics.simulating import SimulatorProbe
from gateway.service import GatewayAccount
from simulator.fleet import FleetAccount
from telemetry.address import NOBODY, Address
from watch.floor.floor import Floor
from watch.web.listening import Ear
from watch.web.live import Hub
from watch.web.lookout import Lookout


def _web():
    hub = Hub(Floor(), clock=lambda: 0)
    ear = Ear(hub.floor, Address("127.0.0.1"), [], NOBODY, lambda: 0)
    return WebProbe(hub, ear, Lookout(None, hub))


PROBES = {
    "collect": CollectorProbe(Account()),
    "anchor": AnchorProbe(AnchorAccount()),
    "witness": WitnessProbe(WitnessAccount()),
    "simulate": SimulatorProbe(FleetAccount()),
    "gateway": GatewayProbe(GatewayAccount()),
    "web": _web(),
}


def lively():
    """The same after something of everything happened, so that every label has a value."""
    account = Account()
    account.causes["failed"] += 1
    anchor = AnchorAccount(ledgers={"office": LedgerAccount(newest=time.time_ns() // 10**9)})
    anchor.witness_failures["near"] += 1
    witness = WitnessAccount()
    witness.answers[200] += 1
    # A gateway stands at its machines: it is no job of the stack, and is watched where it is one.
    watched = {job: probe for job, probe in PROBES.items() if job != "gateway"}
    return {
        **watched,
        "collect": CollectorProbe(account),
        "anchor": AnchorProbe(anchor),
        "witness": WitnessProbe(witness),
    }
