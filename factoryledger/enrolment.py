"""Whose keys the operator has enrolled, and how a key gets, changes and loses its enrolment.

Rule: an entry is in the requests folder, durable, before anyone relies on it. What is there
is checked like any stranger's: an entry that the operator did not sign counts for nothing.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from anchor.key_entry import Enrolled, OperatorAuthority, enrol, revoke, rotate
from anchor.note import SignerKey
from factoryledger.data_dir import DataDir
from factoryledger.device_request import check_place, sign_request
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

    @property
    def gateway(self) -> str | None:
        """The gateway that holds it on behalf of the machine; None where the machine does."""
        return self.statement.gateway


class Enrolments:
    """The requests folder of one ledger, read and written with the operator's key."""

    def __init__(self, data: DataDir) -> None:
        self._data = data
        self._last = ""  # the newest request read
        self._entries: dict[bytes, bytes] = {}
        self._keys: dict[bytes, EnrolledKey] = {}
        # By kind and name: there may be ten thousand machines.
        self._named: dict[tuple[str, str], list[bytes]] = {}
        self._read()

    def _read(self) -> None:
        """Take up what has come into the folder since, this process's own entries among it."""
        authority = OperatorAuthority(self._data.operator_public)
        for file, entry in self._data.requests.after(self._last):
            self._last = file
            try:
                self._apply(authority.read(entry), entry)
            except ValueError:
                continue  # not by this operator: the collector skips it, and so do we

    def keys(self, kind: Kind, name: str | None = None) -> list[EnrolledKey]:
        """Every key ever enrolled for a kind (and name), oldest first."""
        if name is not None:
            return [self._keys[entry] for entry in self._named.get((kind, name), ())]
        return [key for key in self._keys.values() if key.statement.kind == kind]

    def ended(self, device: str) -> frozenset[str]:
        """The ids of a machine's keys that count no more."""
        keys = self.keys("device", device)
        return frozenset(k.key_id for k in keys) - {k.key_id for k in keys if k.ended is None}

    def ensure_device(self, device: str, gateway: str | None = None) -> SigningKey:
        """Give a machine's key, made and enrolled if it is not; durable on return."""
        return self.ensure_devices([device], gateway)[device]

    def ensure_devices(
        self, devices: Iterable[str], gateway: str | None = None
    ) -> dict[str, SigningKey]:
        """Give every machine's key, each made and enrolled if it is not; durable on return.

        `gateway` names who holds them on behalf of machines that cannot sign, None for machines
        that hold their own. WrongUsage where a machine's last key is somebody else's, also by
        what another process enrolled since.
        """
        with self._data.rotating():
            self._read()
            return self._ensured(list(devices), gateway)

    def _ensured(self, names: list[str], gateway: str | None) -> dict[str, SigningKey]:
        for name in names:
            self._check_holder(name, gateway)
        keys = self._data.devices(names)
        self.enrol_devices(keys, gateway)
        return keys

    def enrol_device(self, device: str, gateway: str | None = None) -> None:
        """Enrol a machine, under a new key where all that it had have ended; durable on return.

        The operator's word alone: what merely starts again must not undo a revocation. Without a
        `gateway` whoever held the last key holds the new one.
        """
        with self._rotating():
            known = self.keys("device", device)
            if known and all(key.ended for key in known):
                self._data.replace_device(device, SigningKey.generate())
                holder = gateway or known[-1].gateway
                self.enrol_devices({device: self._data.device(device)}, holder)
                return
            self._ensured([device], gateway or (known[-1].gateway if known else None))

    def enrol_devices(self, keys: Mapping[str, SigningKey], gateway: str | None = None) -> None:
        """Enrol these machines' keys, each if it is not; durable on return."""
        self._request_all(
            "device",
            {
                name: key
                for name, key in keys.items()
                if not self._enrolled("device", name, key.public_key)
            },
            gateway,
        )

    def _check_holder(self, device: str, gateway: str | None) -> None:
        """A machine's word and that of a gateway that speaks for it are never of one key."""
        known = self.keys("device", device)
        if not known or known[-1].gateway == gateway:
            return
        held = known[-1].gateway
        whose = "signs itself" if held is None else f"has its key held by gateway {held}"
        raise WrongUsage(
            f"machine {device} {whose}; give it another name, or revoke that key and enrol one "
            f"held by another (`device revoke {device}`, `device enrol {device} --gateway NAME`)"
        )

    def ensure_collector(self, identity: str, key: SigningKey) -> bytes:
        """Give a collector's key entry, written if it is not there; durable on return.

        WrongUsage for a revoked key: the anchor would refuse every batch that it signs.
        """
        for known in self.keys("collector", identity):
            if known.ended is not None and known.ended.action == "revoke":
                raise WrongUsage(
                    f"the key of collector {identity} is revoked, and its log has ended: "
                    "start a collector of another id"
                )
        entry = self._enrolled("collector", identity, key.public_key)
        return entry or self._request_all("collector", {identity: key})[0]

    def settle_collector(self, identity: str) -> None:
        """Let a collector's rotation that was signed be so; nothing where there is none."""
        stem = f"collector-{identity}"
        if self._data.keys.next(stem) is not None:
            with self._rotating():
                self._settle(stem, identity)

    def _settle(self, stem: str, identity: str) -> None:
        key = self._data.keys.next(stem)
        if key is not None and self._enrolled("collector", identity, key.public_key):
            self._data.keys.settle(stem)

    @contextmanager
    def _rotating(self) -> Iterator[None]:
        """One rotation at a time, in sight of those before: two that end one key lose theirs."""
        with self._data.rotating():
            self._last = ""
            self._entries.clear()
            self._keys.clear()
            self._named.clear()
            self._read()
            yield

    def rotate_collector(self, identity: str) -> EnrolledKey:
        """End the key of a collector's log and certify a new one, which it signs with next.

        The key is kept, then certified, then put in the old one's place: after a crash in
        between, the collector's next start or another rotation goes on from there.
        """
        with self._rotating():
            return self._rotate_collector(identity)

    def _rotate_collector(self, identity: str) -> EnrolledKey:
        stem = f"collector-{identity}"
        self._settle(stem, identity)
        prior = self._current("collector", identity, None)
        key = self._data.keys.next(stem)
        if key is None:
            key = SignerKey.generate(self._data.collector(identity).name)
            self._data.keys.prepare(stem, key)
        self._take(
            rotate(
                operator=self._data.operator,
                kind="collector",
                name=identity,
                key=key,
                prior=prior.statement.hash,
                time=_now(),
            )
        )
        self._data.keys.settle(stem)
        return self._current("collector", identity, key_id(key.public_key))

    def rotate_device(self, device: str) -> EnrolledKey:
        """End the machine's key and enrol a new one.

        The new key is kept before it is enrolled: after a crash between the two, `simulate`
        enrols it beside the old one, and a second `rotate` ends whichever is named.
        """
        with self._rotating():
            return self._rotate_device(device)

    def _rotate_device(self, device: str) -> EnrolledKey:
        prior = self._current("device", device, None)
        key = SigningKey.generate()
        entry = rotate(
            operator=self._data.operator,
            name=device,
            key=key,
            prior=prior.statement.hash,
            time=_now(),
            gateway=prior.gateway,
        )
        self._data.replace_device(device, key)
        self._take(entry)
        return self._current("device", device, key_id(key.public_key))

    def take_request(self, device: str, text: str) -> EnrolledKey:
        """Enrol, or rotate to, a key that the device alone holds, by its own statement."""
        with self._rotating():
            signed = sign_request(self._data.operator, device, text, _now())
            if self._enrolled("device", device, signed.key) is None:
                used = [k.statement.hash for k in self.keys("device", device) if k.ended is None]
                check_place(device, signed.statement.prior, used)
                if signed.statement.prior is not None:
                    self._check_holder(device, signed.statement.gateway)
                self._take(signed.entry)
            return self._current("device", device, key_id(signed.key))

    def revoke(self, kind: Enrolled, name: str, key: str | None) -> EnrolledKey:
        """End a machine's or collector's key (`key` is its id; None when it has one only)."""
        with self._rotating():
            return self._revoke(kind, name, key)

    def _revoke(self, kind: Enrolled, name: str, key: str | None) -> EnrolledKey:
        prior = self._current(kind, name, key)
        self._take(
            revoke(
                operator=self._data.operator,
                kind=kind,
                name=name,
                prior=prior.statement.hash,
                time=_now(),
            )
        )
        return self._keys[prior.statement.hash]

    def _current(self, kind: Enrolled, name: str, key: str | None) -> EnrolledKey:
        """The one key of a name that has not ended; WrongUsage when there is none or more."""
        found = [
            enrolled
            for enrolled in self.keys(kind, name)
            if enrolled.ended is None and key in (None, enrolled.key_id)
        ]
        if not found:
            named = f" {key}" if key else ""
            where = "device" if kind == "device" else "keys"
            raise WrongUsage(f"{name} has no enrolled key{named}; see factoryledger {where} list")
        if len(found) > 1:
            ids = ", ".join(enrolled.key_id for enrolled in found)
            raise WrongUsage(f"{name} has several keys: name one by --key ({ids})")
        return found[0]

    def _enrolled(self, kind: Enrolled, name: str, public_key: bytes) -> bytes | None:
        """The entry that enrols this key under this name, whatever became of it."""
        for key in self.keys(kind, name):
            if key.public_key == public_key:
                return self._entries[key.statement.hash]
        return None

    def _request_all(
        self, kind: Enrolled, keys: Mapping[str, SigningKey], gateway: str | None = None
    ) -> list[bytes]:
        """Sign enrolments and put them into the folder."""
        if not keys:
            return []
        operator, now = self._data.operator, _now()
        return self._take(
            *(
                enrol(operator=operator, kind=kind, name=name, key=key, time=now, gateway=gateway)
                for name, key in keys.items()
            )
        )

    def _take(self, *entries: bytes) -> list[bytes]:
        """Write entries, then count them here too."""
        self._data.requests.write_all(entries)
        authority = OperatorAuthority(self._data.operator_public)
        for entry in entries:
            self._apply(authority.read(entry), entry)
        return list(entries)

    def _apply(self, statement: KeyStatement, entry: bytes) -> None:
        """Follow what a statement does to the keys."""
        self._entries[statement.hash] = entry
        prior = self._keys.get(statement.prior) if statement.prior else None
        if prior is not None and prior.ended is None:
            self._keys[prior.statement.hash] = EnrolledKey(
                prior.statement, prior.public_key, statement
            )
        if statement.key is not None:
            if statement.hash not in self._keys:
                place = (statement.kind, statement.name)
                self._named.setdefault(place, []).append(statement.hash)
            self._keys[statement.hash] = EnrolledKey(statement, statement.key, None)


def _now() -> int:
    """The wall clock in microseconds: key entries say when the operator signed them."""
    return time.time_ns() // 1000
