"""Whose keys the operator has enrolled, and how a key gets, changes and loses its enrolment.

Rule: an entry is in the requests folder, durable, before anyone relies on it. What is there
is checked like any stranger's: an entry that the operator did not sign counts for nothing.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from anchor.key_entry import Enrolled, OperatorAuthority, enrol, revoke, rotate
from factoryledger.data_dir import DataDir
from factoryledger.errors import WrongUsage
from telemetry.keyring import KeyStatement, Kind
from telemetry.signature import SigningKey, key_id


@dataclass(frozen=True, slots=True)
class EnrolledKey:
    """A key and what became of it: `ended` is the statement that ended it, or None."""

    statement: KeyStatement
    public_key: bytes
    ended: KeyStatement | None

    @property
    def key_id(self) -> str:
        """The key's id in messages."""
        return key_id(self.public_key)


class Enrolments:
    """The requests folder of one ledger, read and written with the operator's key."""

    def __init__(self, data: DataDir) -> None:
        self._data = data
        self._entries: dict[bytes, bytes] = {}
        self._keys: dict[bytes, EnrolledKey] = {}
        authority = OperatorAuthority(data.operator.verifier)
        for _, entry in data.requests.after(""):
            try:
                self._apply(authority.read(entry), entry)
            except ValueError:
                continue  # not by this operator: the collector skips it, and so do we

    def keys(self, kind: Kind, name: str | None = None) -> list[EnrolledKey]:
        """Every key ever enrolled for a kind (and name), oldest first."""
        return [
            key
            for key in self._keys.values()
            if key.statement.kind == kind and name in (None, key.statement.name)
        ]

    def ensure_device(self, device: str) -> SigningKey:
        """Give a machine's key, made and enrolled if it is not; durable on return."""
        key = self._data.device(device)
        if not self._enrolled("device", device, key.public_key):
            self._request("device", device, key)
        return key

    def ensure_devices(self, devices: Iterable[str]) -> dict[str, SigningKey]:
        """Give every machine's key, each enrolled; durable on return."""
        return {device: self.ensure_device(device) for device in devices}

    def ensure_collector(self, identity: str, key: SigningKey) -> bytes:
        """Give a collector's key entry, written if it is not there; durable on return."""
        entry = self._enrolled("collector", identity, key.public_key)
        return entry or self._request("collector", identity, key)

    def rotate_device(self, device: str) -> EnrolledKey:
        """End the machine's key and enrol a new one.

        The new key is kept before it is enrolled: after a crash between the two, `simulate`
        enrols it beside the old one, and a second `rotate` ends whichever is named.
        """
        prior = self._current(device, None)
        key = SigningKey.generate()
        entry = rotate(
            operator=self._data.operator,
            name=device,
            key=key,
            prior=prior.statement.hash,
            time=_now(),
        )
        self._data.replace_device(device, key)
        self._take(entry)
        return self._current(device, key_id(key.public_key))

    def revoke_device(self, device: str, key: str | None) -> EnrolledKey:
        """End a machine's key (`key` is its id; None when it has one only)."""
        prior = self._current(device, key)
        self._take(
            revoke(
                operator=self._data.operator,
                kind="device",
                name=device,
                prior=prior.statement.hash,
                time=_now(),
            )
        )
        return self._keys[prior.statement.hash]

    def _current(self, device: str, key: str | None) -> EnrolledKey:
        """The machine's one key that has not ended; WrongUsage when there is none or more."""
        found = [
            enrolled
            for enrolled in self.keys("device", device)
            if enrolled.ended is None and key in (None, enrolled.key_id)
        ]
        if not found:
            named = f" {key}" if key else ""
            raise WrongUsage(f"{device} has no enrolled key{named}; see factoryledger device list")
        if len(found) > 1:
            ids = ", ".join(enrolled.key_id for enrolled in found)
            raise WrongUsage(f"{device} has several keys: name one by --key ({ids})")
        return found[0]

    def _enrolled(self, kind: Enrolled, name: str, public_key: bytes) -> bytes | None:
        """The entry that enrols this key under this name, whatever became of it."""
        for key in self.keys(kind, name):
            if key.public_key == public_key:
                return self._entries[key.statement.hash]
        return None

    def _request(self, kind: Enrolled, name: str, key: SigningKey) -> bytes:
        """Sign an enrolment and put it into the folder."""
        entry = enrol(operator=self._data.operator, kind=kind, name=name, key=key, time=_now())
        return self._take(entry)

    def _take(self, entry: bytes) -> bytes:
        """Write an entry, then count it here too."""
        self._data.requests.write(entry)
        self._apply(OperatorAuthority(self._data.operator.verifier).read(entry), entry)
        return entry

    def _apply(self, statement: KeyStatement, entry: bytes) -> None:
        """Follow what a statement does to the keys."""
        self._entries[statement.hash] = entry
        prior = self._keys.get(statement.prior) if statement.prior else None
        if prior is not None and prior.ended is None:
            self._keys[prior.statement.hash] = EnrolledKey(
                prior.statement, prior.public_key, statement
            )
        if statement.key is not None:
            self._keys[statement.hash] = EnrolledKey(statement, statement.key, None)


def _now() -> int:
    """The wall clock in microseconds: key entries say when the operator signed them."""
    return time.time_ns() // 1000
