"""A witness's key is rotated: a policy in which either key counts, then the new one alone.

Pure. All other lines of the policy stand as they are, comments too; what comes out is read
again before it is given.
"""

from anchor.errors import Malformed
from anchor.note import VerifierKey
from anchor.policy import Policy
from anchor.policy_text import items_of

_NEXT = "-next"
_EITHER = "-either"


def overlap(data: bytes, name: str, key: VerifierKey) -> bytes:
    """A policy in which `key` counts beside the key of witness `name`, for one and the same.

    Malformed where there is no such witness, or its key is being rotated already.
    """
    before = Policy.from_bytes(data)
    witness = before.witnesses.get(name)
    if witness is None:
        raise Malformed(f"the policy names no witness {name!r}")
    if f"{name}{_NEXT}" in before.witnesses:
        raise Malformed(f"the key of witness {name} is being rotated: end that first")
    changed = list[str]()
    for line in _lines(data):
        words = items_of(line)
        if words[:2] == ["witness", name]:
            url = words[3:]
            changed.append(line)
            changed.append(" ".join(["witness", f"{name}{_NEXT}", str(key), *url]))
            changed.append(f"group {name}{_EITHER} any {name} {name}{_NEXT}")
        else:
            changed.append(_renamed(words, {name: f"{name}{_EITHER}"}) or line)
    return _read_again(changed)


def settle(data: bytes, name: str) -> bytes:
    """A policy in which the new key of a witness whose key is being rotated counts alone."""
    before = Policy.from_bytes(data)
    following = before.witnesses.get(f"{name}{_NEXT}")
    if following is None or name not in before.witnesses:
        raise Malformed(f"the key of witness {name!r} is not being rotated")
    changed = list[str]()
    for line in _lines(data):
        words = items_of(line)
        if words[:2] == ["witness", name]:
            changed.append(" ".join(["witness", name, str(following.key), *words[3:]]))
        elif words[:2] not in (["witness", f"{name}{_NEXT}"], ["group", f"{name}{_EITHER}"]):
            changed.append(_renamed(words, {f"{name}{_EITHER}": name}) or line)
    return _read_again(changed)


def _renamed(words: list[str], names: dict[str, str]) -> str | None:
    """A line of a group or the quorum with other members; None where it names none of them."""
    kept = {"group": 3, "quorum": 1}.get(words[0] if words else "", len(words))
    if not set(words[kept:]) & names.keys():
        return None
    return " ".join([*words[:kept], *(names.get(word, word) for word in words[kept:])])


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", "surrogateescape").split("\n")


def _read_again(lines: list[str]) -> bytes:
    data = "\n".join(lines).encode("utf-8", "surrogateescape")
    Policy.from_bytes(data)
    return data
