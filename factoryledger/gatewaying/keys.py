"""A gateway's keys: enrolled here where the operator's key is, else asked for by a file each."""

import time
from collections.abc import Collection
from pathlib import Path

from anchor.key_entry import enrolment_request
from factoryledger.data_dir import DataDir
from factoryledger.enrolment import Enrolments
from factoryledger.errors import NotThere, WrongUsage
from factoryledger.files import write_whole
from factoryledger.installation import Installation
from gateway.mapping import Mapping
from telemetry.signature import SigningKey


class EnrollingKeys:
    """Beside the operator's key: each device is enrolled before its first message.

    `named` are those that the mapping names outright: of these alone it is an error that the
    key is another's. A message may name whom it likes, and must not end the gateway by it.
    """

    def __init__(self, data: DataDir, gateway: str, named: Collection[str]) -> None:
        self._gateway, self._named = gateway, named
        self._enrolments = Enrolments(data)

    def key(self, device: str) -> tuple[SigningKey, Collection[str]] | None:
        """Give the key; None, or for a named one WrongUsage, where another holds it."""
        try:
            key = self._enrolments.ensure_device(device, self._gateway)
        except WrongUsage:
            if device in self._named:
                raise
            return None
        return key, self._enrolments.ended(device)


class GivenKeys:
    """Away from the operator's key: those that were asked for; the operator enrols them.

    Only for `named` devices, and for those whose outbox is in `folder`: the data folder may
    hold keys of machines that sign themselves, and a message may name whom it likes.
    """

    def __init__(self, data: DataDir, named: Collection[str], folder: Path) -> None:
        self._data, self._named, self._folder = data, named, folder

    def key(self, device: str) -> tuple[SigningKey, Collection[str]] | None:
        """Give the key; None where it was never asked for."""
        spoken_for = device in self._named or (self._folder / f"{device}.outbox").exists()
        if not spoken_for or not self._data.device_key_is_here(device):
            return None
        return self._data.device(device), frozenset()


def keys_for(place: Installation, mapping: Mapping, folder: Path) -> EnrollingKeys | GivenKeys:
    """The keys of a gateway of this data folder; NotThere where one that is named is missing.

    Its outboxes are in `folder`.
    """
    if place.data.keys.exists("operator") or not place.data.policy_file.exists():
        place.data.create()
        return EnrollingKeys(place.data, mapping.gateway, mapping.devices)
    missing = [one for one in mapping.devices if not place.data.device_key_is_here(one)]
    if missing:
        raise NotThere(
            f"no key for {', '.join(missing[:5])} in {place.data.keys.folder}, and no operator's "
            "key that would enrol it: write requests by `factoryledger gateway MAPPING --request "
            "DIR`, for the operator to sign"
        )
    return GivenKeys(place.data, mapping.devices, folder)


def requests(place: Installation, mapping: Mapping, folder: Path) -> list[str]:
    """Make what keys are missing, and write what the operator is to sign; the files' names."""
    data = place.data
    if not data.policy_file.exists():
        raise WrongUsage(
            f"{data.policy_file}: no policy there; copy that of the ledger there first"
        )
    data.keys.folder.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for device, key in data.devices(mapping.devices).items():
        text = enrolment_request(
            name=device, key=key, time=time.time_ns() // 1000, gateway=mapping.gateway
        )
        file = folder / f"{device}.request"
        write_whole(file, text.encode("ascii"))
        found.append(str(file))
    return found
