"""Ends the connection of a client that was shut out, by taking its place.

A broker holds the list of revoked certificates against new connections alone. But one name is
one connection there (use_username_as_clientid), so whoever connects under the name with a fresh
certificate of the authority ends the old one, which then cannot come back. Edge: the network.
"""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from factoryledger.broker_files import BrokerFiles
from factoryledger.broker_identity import certified
from factoryledger.errors import NotThere
from factoryledger.files import write_whole
from telemetry.errors import BrokerUnavailable, LinkLost
from telemetry.link import Address, Backoff, Link

HOLD: Final = 1.0
"""Seconds; broker-config/run looks every half for what has changed."""
_TRIES: Final = 20
_QUICK: Final = Backoff(first=0.05, limit=0.2)


async def displace(broker: Address, files: BrokerFiles, name: str, hold: float = HOLD) -> None:
    """Take a client's place until nobody took it back for `hold` seconds.

    NotThere where the broker does not answer, or where the client comes back again and again:
    then the broker has not read the new list.
    """
    pair = files.usurper(name)
    with TemporaryDirectory() as folder:
        home = Path(folder)
        write_whole(home / "ca.crt", (files.server / "ca.crt").read_bytes())
        write_whole(home / f"{name}.key", pair.key, mode=0o600)
        write_whole(home / f"{name}.crt", pair.certificate)
        tls = certified(home, name).tls
    for _ in range(_TRIES):
        lost = asyncio.Event()
        try:
            async with Link(
                broker,
                client_id=name,
                tls=tls,
                clean_start=True,
                backoff=_QUICK,
                on_trouble=lambda _, lost=lost: lost.set(),  # type: ignore[misc]
            ):
                try:
                    await asyncio.wait_for(lost.wait(), hold)
                except TimeoutError:
                    return
        except LinkLost:
            continue
        except BrokerUnavailable as error:
            raise NotThere(f"{name} is shut out, but its connection may stand: {error}") from error
    raise NotThere(f"{name} comes back to {broker}: has the broker read its files again (SIGHUP)?")
