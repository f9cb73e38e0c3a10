"""The data folder: where everything of one ledger is, and how its keys come to be.

Rule: keys are made once, under a lock, each file whole, the policy last. So a folder with a
policy is complete, one without it is completed by the next call, and a key that a policy
names is never made a second time: a lost key is an error, not a new ledger.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path

from anchor.errors import Malformed
from anchor.note import COSIGNATURE, ED25519, SignerKey, VerifierKey
from anchor.policy import Policy, Witness, rotate_in_policy, write_policy
from anchor.policy_overlap import overlap, settle
from factoryledger.errors import NotThere, WrongUsage
from factoryledger.files import POLICY_MOST, locked, read_whole, write_whole
from factoryledger.key_files import KeyFiles
from factoryledger.requests import RequestFolder
from factoryledger.witness_choice import WitnessChoice
from telemetry.signature import SigningKey

_STORE = re.compile(r"ledger-([a-z0-9_-]{1,64})\.db")
_FOLDERS = ("log", "requests", "proofs")
_ORIGIN_ROOT = "factoryledger.local"


class DataDir:
    """One ledger's folder. Making one touches nothing; `create` and the key methods do."""

    def __init__(self, path: Path, passphrase_file: Path | None = None) -> None:
        self.path = path.absolute()
        self.log = self.path / "log"
        self.proofs = self.path / "proofs"
        self.outboxes = self.path / "outbox"
        self.policy_file = self.path / "policy"
        self.anchor_db = self.path / "anchor.db"
        self.witness_db = self.path / "witness.db"
        self.requests = RequestFolder(self.path / "requests")
        self.keys = KeyFiles(self.path / "keys", passphrase_file)

    @property
    def database_url(self) -> str:
        """The default store, as SQLAlchemy spells it."""
        return self.store_url("")

    def store_url(self, name: str) -> str:
        """The store of the collector of this name, as SQLAlchemy spells it."""
        return f"sqlite:///{self.path / (f'ledger-{name}.db' if name else 'ledger.db')}"

    def store_urls(self) -> list[str]:
        """The stores that are here, the default one first; that one where none is."""
        found = sorted(path.name for path in self.path.glob("ledger-*.db"))
        names = [match[1] for name in found if (match := _STORE.fullmatch(name))]
        default = (self.path / "ledger.db").exists() or not names
        return [self.store_url(name) for name in ([""] if default else []) + names]

    def create(self, origin: str | None = None, witnesses: Sequence[WitnessChoice] = ()) -> bool:
        """Complete the folder: keys, policy, folders. False if it was complete already.

        WrongUsage when `origin` or `witnesses` are others than those of its policy.
        """
        if not self.policy_file.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            with locked(self.path / ".lock"):
                if not self.policy_file.exists():
                    self._complete(origin, witnesses)
                    return True
        self._check_same(origin, witnesses)
        return False

    def _check_same(self, origin: str | None, witnesses: Sequence[WitnessChoice]) -> None:
        """WrongUsage unless a complete folder is the one that was asked for."""
        if origin not in (None, self.origin):
            raise WrongUsage(f"{self.path} has the origin {self.origin}, not {origin}")
        there = {name: (w.url, w.key) for name, w in self.policy().witnesses.items()}
        for choice in witnesses:
            url, key = there.get(choice.name, (None, None))
            if key is None or url != choice.url or choice.vkey not in (None, key):
                raise WrongUsage(
                    f"{self.policy_file} does not name the witness {choice.name} that way; "
                    "edit it, or start a new ledger with another --data"
                )

    def _complete(self, origin: str | None, witnesses: Sequence[WitnessChoice]) -> None:
        """Make what is missing; the policy comes last, so its presence says that all is there."""
        self.keys.folder.mkdir(mode=0o700, exist_ok=True)
        self.keys.folder.chmod(0o700)
        for name in _FOLDERS:
            (self.path / name).mkdir(exist_ok=True)
        # What a call that was cut short has made is taken up as it is.
        anchor = self.keys.read("anchor") or SignerKey.generate(origin or _random_origin())
        if origin is not None and anchor.name != origin:
            raise WrongUsage(f"{self.path} already has the origin {anchor.name}, not {origin}")
        operator = self.keys.read("operator") or SignerKey.generate(f"{anchor.name}/operator")
        self._store("anchor", anchor)
        self._store("operator", operator)
        self._write_policy(anchor.verifier, operator.verifier, witnesses)

    def set_witnesses(self, choices: Sequence[WitnessChoice]) -> None:
        """Let the policy ask for these witnesses from now on; what it said of them goes."""
        with locked(self.path / ".lock"):
            self._write_policy(self.anchor.verifier, self.operator.verifier, choices)

    def _write_policy(
        self, log: VerifierKey, operator: VerifierKey, choices: Sequence[WitnessChoice]
    ) -> None:
        """Write the policy: every witness of it has to cosign."""
        witnesses = [self._witness(log.name, choice) for choice in choices]
        quorum = "all" if len(witnesses) > 1 else witnesses[0].name if witnesses else "none"
        policy = write_policy(log=log, operator=operator, witnesses=witnesses, quorum=quorum)
        write_whole(self.policy_file, policy)

    def _witness(self, origin: str, choice: WitnessChoice) -> Witness:
        """The policy's line for a witness, its key made here unless it was given."""
        vkey = choice.vkey
        if vkey is None:
            stem = f"witness-{choice.name}"
            key = self.keys.read(stem) or SignerKey.generate(f"{origin}/{stem}", COSIGNATURE)
            self._store(stem, key)
            vkey = key.verifier
        return Witness(name=choice.name, key=vkey, url=choice.url)

    def policy(self, file: Path | None = None) -> Policy:
        """Read the policy (this folder's, unless a file is named)."""
        path = file or self.policy_file
        try:
            return Policy.from_bytes(read_whole(path, POLICY_MOST))
        except FileNotFoundError as error:
            raise WrongUsage(f"{path}: no policy there; name one by --policy or --data") from error
        except Malformed as error:
            raise WrongUsage(f"{path}: {error}") from error

    @cached_property
    def operator(self) -> SignerKey:
        """The operator's key, which signs key entries."""
        return self._needed("operator")

    @property
    def operator_public(self) -> VerifierKey:
        """The public half of the operator's key: the policy's word, else by the key itself."""
        named = self.policy().operator if self.policy_file.exists() else None
        return self.operator.verifier if named is None else named

    @cached_property
    def anchor(self) -> SignerKey:
        """The anchor log's key; its name is the log's origin."""
        if self.policy_file.exists() and self.keys.public("anchor.next") == self.policy().log:
            raise WrongUsage(
                f"the rotation of the key of log {self.origin} was cut short: run "
                "`factoryledger keys rotate log` again, which completes it"
            )
        return self._needed("anchor")

    def rotating(self) -> AbstractContextManager[None]:
        """One rotation at a time: two at once would each keep a key that the other certifies."""
        return locked(self.path / ".rotating.lock")

    def rotate_log(self, log: Path) -> tuple[VerifierKey, int]:
        """Put a new key in the place of the anchor log's; that key, and where its entry stands.

        The key is kept, its entry appended to the log, the policy changed, and then the key put
        in the old one's place: a call that was cut short is gone on with by the next.
        """
        with self.rotating():
            return self._rotate_log(log)

    def _rotate_log(self, log: Path) -> tuple[VerifierKey, int]:
        from anchor.keeping.log_rotation import append_rotation  # noqa: PLC0415
        from anchor.key_entry import OperatorAuthority  # noqa: PLC0415 - writes the log

        former = self._needed("anchor")
        key = self.keys.next("anchor")
        if key is None:
            key = SignerKey.generate(former.name)
            self.keys.prepare("anchor", key)
        place = append_rotation(
            folder=log,
            db=self.anchor_db,
            former=former,
            key=key,
            operator=self.operator,
            authority=OperatorAuthority(self.operator.verifier),
            time=time.time_ns() // 1000,
        )
        with locked(self.path / ".lock"):
            policy = self.policy_file.read_bytes()
            if Policy.from_bytes(policy).log != key.verifier:
                write_whole(self.policy_file, rotate_in_policy(policy, key.verifier, place))
            self.keys.settle("anchor")
        return key.verifier, place

    def rotate_witness(self, name: str, key: VerifierKey | None) -> VerifierKey:
        """Let another key of a witness count beside the one that the policy has, for a while.

        It is made here unless it is given, as one of a witness elsewhere.
        """
        with self.rotating():
            return self._rotate_witness(name, key)

    def _rotate_witness(self, name: str, key: VerifierKey | None) -> VerifierKey:
        stem = f"witness-{name}"
        if key is None:
            there = self._needed(stem)
            made = self.keys.next(stem)
            if made is None:
                made = SignerKey.generate(there.name, there.verifier.algorithm)
                self.keys.prepare(stem, made)
            key = made.verifier
        self._change_policy(lambda policy: overlap(policy, name, key))
        return key

    def settle_witness(self, name: str) -> None:
        """Let the new key of a witness count alone from now on."""
        with self.rotating():
            self._settle_witness(name)

    def _settle_witness(self, name: str) -> None:
        stem = f"witness-{name}"
        following = self.policy().witnesses.get(f"{name}-next")
        if following is not None:
            self._change_policy(lambda policy: settle(policy, name))
        # A call that was cut short between the two is gone on with by the next.
        made = self.keys.next(stem)
        if made is not None and self.policy().witnesses[name].key == made.verifier:
            self.keys.settle(stem)
        elif following is None:
            raise WrongUsage(f"the key of witness {name} is not being rotated")

    def _change_policy(self, change: Callable[[bytes], bytes]) -> None:
        with locked(self.path / ".lock"):
            try:
                write_whole(self.policy_file, change(self.policy_file.read_bytes()))
            except Malformed as error:
                raise WrongUsage(f"{self.policy_file}: {error}") from error

    def witness(self, name: str) -> SignerKey:
        """A witness's cosigning key."""
        return self._needed(f"witness-{name}")

    def next_witness(self, name: str) -> SignerKey | None:
        """The key that a witness cosigns with beside its own, while that is being rotated."""
        return self.keys.next(f"witness-{name}")

    def witness_mark(self, name: str) -> Path:
        """How far a witness's keys have cosigned: beside them, and apart from its state."""
        return self.keys.folder / f"witness-{name}.cosigned"

    def collector(self, identity: str) -> SignerKey:
        """The key of a collector's log, made if it is not there; its name is the log's origin."""
        origin = f"{self.origin}/collector/{identity}"
        return self._made(f"collector-{identity}", origin)

    def collector_key_is_here(self, identity: str) -> bool:
        """Whether this folder holds the collector's key."""
        return self.keys.exists(f"collector-{identity}")

    def device(self, device: str) -> SigningKey:
        """A machine's key, made if it is not there."""
        return bare(self._made(f"device-{device}", f"{self.origin}/device/{device}"))

    def devices(self, devices: Iterable[str]) -> dict[str, SigningKey]:
        """The keys of many machines; those that are not there are made, together."""
        names = list(devices)
        with locked(self.path / ".lock"):
            missing = [name for name in names if not self.device_key_is_here(name)]
            self.keys.write_new(
                {
                    f"device-{name}": SignerKey.generate(f"{self.origin}/device/{name}", ED25519)
                    for name in missing
                }
            )
        return {name: self.device(name) for name in names}

    def device_key_is_here(self, device: str) -> bool:
        """Whether this folder holds the machine's key."""
        return self.keys.exists(f"device-{device}")

    def replace_device(self, device: str, key: SigningKey) -> None:
        """Make `key` the machine's key from now on."""
        signer = SignerKey.from_seed(f"{self.origin}/device/{device}", key.seed)
        self.keys.write(f"device-{device}", signer)

    @cached_property
    def origin(self) -> str:
        """The anchor log's origin, as the policy says it."""
        return self.policy().log.name

    def private_keys(self) -> list[tuple[str, VerifierKey]]:
        """Every private key that is here, by its file's stem, with its public half."""
        found = ((stem, self.keys.public(stem)) for stem in self.keys.stems())
        return [(stem, key) for stem, key in found if key is not None]

    def _needed(self, stem: str) -> SignerKey:
        key = self.keys.read(stem)
        if key is None:
            raise NotThere(
                f"{self.keys.path(stem)}: no key there; a key that was lost is not made again "
                "(restore it, or start a new ledger with another --data)"
            )
        return key

    def _made(self, stem: str, name: str) -> SignerKey:
        """A key that is here, made under the lock if it is not."""
        key = self.keys.read(stem)
        if key is None:
            with locked(self.path / ".lock"):
                key = self.keys.read(stem) or SignerKey.generate(name, ED25519)
                self._store(stem, key)
        if key.name != name:
            raise WrongUsage(f"{self.keys.path(stem)}: key of {key.name}, not of {name}")
        return key

    def _store(self, stem: str, key: SignerKey) -> None:
        """Write a key unless it is there; durable on return."""
        if not self.keys.exists(stem):
            self.keys.write(stem, key)


def bare(key: SignerKey) -> SigningKey:
    """The plain Ed25519 key inside a note's key."""
    if not isinstance(key.raw, SigningKey):
        raise WrongUsage(f"{key.name}: not an Ed25519 key")
    return key.raw


def _random_origin() -> str:
    return f"{_ORIGIN_ROOT}/{secrets.token_hex(8)}"
