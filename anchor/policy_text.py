"""The grammar of C2SP tlog-policy: octets in, checked definitions out.

Names and URLs are opaque octets; they are held as text through `surrogateescape`, which
maps every octet string to a text of its own and back.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from anchor.checkpoint import Checkpoint, open_checkpoint
from anchor.errors import Malformed, Refused
from anchor.note import COSIGNATURE, ECDSA, ED25519, ML_DSA_44, Note, VerifierKey
from anchor.spelling import number as decimal

NONE = "none"
OPERATOR_COMMENT = "factoryledger-operator"
FORMER_COMMENT = "factoryledger-former-log"
MAX_POLICY = 1 << 20

_ALLOWED = re.compile(rb"[\t\n\x20-\x7e\x80-\xff]*")
_COUNT = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_LOG_ALGORITHMS = {ED25519, ECDSA, ML_DSA_44}
_WITNESS_ALGORITHMS = {COSIGNATURE, ML_DSA_44}


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness: its name in the policy, its cosigner's key, where it is reached if said."""

    name: str
    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class FormerLog:
    """A key that signed the log until it was rotated: checkpoints up to this size alone."""

    key: VerifierKey
    size: int

    def open(self, note: bytes, origin: str | None = None) -> Checkpoint | None:
        """What this key signed; None where it did not sign, Refused beyond its size."""
        if Note.from_bytes(note).line_of(self.key) is None:
            return None
        checkpoint = open_checkpoint(note, self.key, origin=origin)
        if checkpoint.size > self.size:
            raise Refused(
                f"the checkpoint of size {checkpoint.size} is signed by key {self.key.id.hex()}, "
                f"which counts up to size {self.size}: the log's key was rotated there"
            )
        return checkpoint


def open_by_log(
    note: bytes, key: VerifierKey, former: Iterable[FormerLog], origin: str | None = None
) -> Checkpoint:
    """Open a checkpoint by a log's key, or by one that it had before, up to its size."""
    for each in former:
        checkpoint = each.open(note, origin)
        if checkpoint is not None:
            return checkpoint
    return open_checkpoint(note, key, origin=origin)


@dataclass(frozen=True, slots=True)
class Group:
    """A group that has witnessed when `threshold` of its `members` (names) have."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(slots=True)
class PolicyLines:
    """What the lines of a policy have defined so far, in order."""

    logs: list[VerifierKey] = field(default_factory=list)
    witnesses: dict[str, Witness] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    quorum: str | None = None
    operator: VerifierKey | None = None
    former: list[FormerLog] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)
    _members: set[str] = field(default_factory=set)

    def read(self, line: str) -> None:
        """Take one line; Malformed says why it is refused."""
        items = items_of(line)
        if not items:
            return
        if items[0].startswith("#"):
            self._comment(items)
            return
        rules = {
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._quorum,
        }
        rule = rules.get(items[0])
        if rule is None:
            raise Malformed(f"unknown keyword {items[0][:100]!r}")
        rule(items[1:])

    def required_quorum(self) -> str:
        """The quorum's name; Malformed if no line defined it."""
        if self.quorum is None:
            raise Malformed("the policy has no quorum line")
        return self.quorum

    def check_distinct(self) -> None:
        """Malformed if a witness is a log or the operator under another name.

        Such a witness would let the operator meet a quorum alone. It can be defined before
        or after what it equals, so this waits for the whole file.
        """
        own = [*self.logs, *([self.operator] if self.operator else [])]
        for each in self.former:
            if each.key.name not in {log.name for log in self.logs}:
                raise Malformed(f"{each.key.name} is a former log, and no log line names it now")
            own.append(each.key)
        if len({key.public_key for key in own}) < len(own):
            raise Malformed("a log's, a former log's and the operator's key are not all different")
        for witness in self.witnesses.values():
            for key in own:
                if witness.key.public_key == key.public_key or witness.key.name == key.name:
                    raise Malformed(f"witness {witness.name!r} is {key.name}, not independent")

    def _comment(self, items: list[str]) -> None:
        if items[:2] == ["#", FORMER_COMMENT]:
            self._former(items[2:])
        if items[:2] != ["#", OPERATOR_COMMENT]:
            return
        if len(items) != 3 or self.operator:  # noqa: PLR2004  # hash sign, word, vkey
            raise Malformed(f"a policy has at most one line '# {OPERATOR_COMMENT} <vkey>'")
        self.operator = _key(items[2], {ED25519}, "an operator's")

    def _former(self, items: list[str]) -> None:
        if len(items) != 2:  # noqa: PLR2004  # vkey, size
            raise Malformed(f"a former log's line is '# {FORMER_COMMENT} <vkey> <size>'")
        size = decimal(items[1], "size that a former log's key counts up to")
        self.former.append(FormerLog(_key(items[0], {ED25519}, "a log's"), size))

    def _log(self, items: list[str]) -> None:
        if len(items) not in {1, 2}:
            raise Malformed("a log line is 'log <vkey> [<url>]'")
        key = _key(items[0], _LOG_ALGORITHMS, "a log's")
        if any(key.public_key == other.public_key for other in self.logs):
            raise Malformed(f"log {key.name!r} has the key of another log")
        self.logs.append(key)

    def _witness(self, items: list[str]) -> None:
        if len(items) not in {2, 3}:
            raise Malformed("a witness line is 'witness <name> <vkey> [<url>]'")
        name, vkey, *url = items
        key = _key(vkey, _WITNESS_ALGORITHMS, "a witness's")
        if any(key.public_key == other.key.public_key for other in self.witnesses.values()):
            raise Malformed(f"witness {name!r} has the key of another witness")
        self._define(name)
        self.witnesses[name] = Witness(name, key, url[0] if url else None)

    def _group(self, items: list[str]) -> None:
        if len(items) < 3:  # noqa: PLR2004  # name, threshold, one member
            raise Malformed("a group line is 'group <name> all|any|<k> <name>...'")
        name, threshold, *members = items
        for member in members:
            self._require(member)
            if member in self._members:
                raise Malformed(f"{member!r} is a member of a group already")
            self._members.add(member)
        self._define(name)
        self.groups.append(Group(name, _threshold(threshold, len(members)), tuple(members)))

    def _quorum(self, items: list[str]) -> None:
        if len(items) != 1 or self.quorum is not None:
            raise Malformed("a policy has exactly one line 'quorum <name>'")
        if items[0] != NONE:
            self._require(items[0])
        self.quorum = items[0]

    def _define(self, name: str) -> None:
        if name == NONE or name in self._names:
            raise Malformed(f"the name {name!r} is taken")
        self._names.add(name)

    def _require(self, name: str) -> None:
        if name not in self._names:
            raise Malformed(f"{name!r} is not defined on a line before")


def items_of(line: str) -> list[str]:
    """Split a line at spaces and tabs, and at no other space: names and URLs may hold those."""
    return [item for item in re.split("[ \t]+", line) if item]


def read_policy(data: bytes) -> PolicyLines:
    """Read every line of a policy file; Malformed names the first line that is refused."""
    if len(data) > MAX_POLICY:
        raise Malformed(f"a policy of {len(data)} bytes; at most {MAX_POLICY} are read")
    lines = PolicyLines()
    *whole, rest = data.split(b"\n")
    if rest:
        raise Malformed("the policy's last line does not end in a newline")
    for number, line in enumerate(whole, 1):
        if not _ALLOWED.fullmatch(line):
            raise Malformed(f"policy line {number} holds a control character")
        try:
            lines.read(line.decode("utf-8", "surrogateescape"))
        except Malformed as error:
            raise Malformed(f"policy line {number}: {error}") from error
    lines.required_quorum()
    lines.check_distinct()
    return lines


def _key(vkey: str, algorithms: set[int], whose: str) -> VerifierKey:
    key = VerifierKey.from_text(vkey)
    if key.algorithm not in algorithms:
        raise Malformed(f"{key.name} has signature type {key.algorithm:#04x}, not {whose}")
    return key


def _threshold(text: str, members: int) -> int:
    if text in {"any", "all"}:
        return 1 if text == "any" else members
    if not _COUNT.fullmatch(text) or int(text) > members:
        raise Malformed(f"threshold {text[:100]!r} is not any, all or a count up to {members}")
    return int(text)
