"""Who each client of a simulated fleet is at the broker: its machines, its gateways, itself."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from factoryledger.broker_book import MACHINE
from factoryledger.broker_identity import certified
from factoryledger.errors import NotThere, WrongUsage
from factoryledger.installation import Installation
from simulator.edge import edges_of
from telemetry.address import Credentials

if TYPE_CHECKING:
    from simulator.machine import Machine

_HELPERS = ("orderly", "intruder")


def clients_of(place: Installation, machines: "Sequence[Machine]") -> Callable[[str], Credentials]:
    """Give what tells the credentials of a client by its name.

    As a `simulator` (the setting broker_identity) each machine and edge node has a certificate
    of its own, made here where the broker's authority is; else all have the one user that the
    settings name, which a broker must then let in many times.
    """
    identity = place.broker_identity
    if identity is None:
        return lambda _name: place.credentials
    if not place.broker.tls:
        raise WrongUsage(
            "broker_identity simulator: machines have certificates and no passwords; "
            "write --broker mqtts://…"
        )
    edges = {edge.name: edge for edge in edges_of(machines)}
    behind = {name: [device.name for device in edge.machines] for name, edge in edges.items()}
    alone = [machine.name for machine in machines if machine.language != "sparkplug"]
    if place.broker_files.ready:
        place.broker_files.machines([*alone, *edges], behind)
    own, folder = {*alone, *edges}, place.broker_files.path / MACHINE

    def who(name: str) -> Credentials:
        if name in own:
            return certified(folder, name)
        if name.startswith("herald-"):
            return identity.credentials(tls=True)
        if name in _HELPERS:
            return identity.credentials(tls=True, helper=name)
        try:
            return certified(folder, f"gateway.{name}")
        except NotThere as error:
            raise NotThere(
                f"gateway {name} has no certificate; make one by `factoryledger device gateway "
                f"{name} ENTERPRISE/SITE[/AREA[/LINE]]`"
            ) from error

    return who
