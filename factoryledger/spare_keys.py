"""Collectors' keys that the operator certifies ahead, for folders without the operator's key.

Rule: a spare key is taken by giving its file the collector's name, under the folder's lock, so
that one log never has two writers, whichever stores they write.
"""

import secrets
from typing import Final

from anchor.note import ED25519, SignerKey
from factoryledger.data_dir import DataDir, bare
from factoryledger.enrolment import Enrolments
from factoryledger.errors import NotThere
from factoryledger.files import locked

_SPARE: Final = "spare-"


def new_collector(data: DataDir) -> str:
    """Give the id of a collector that starts: random, where the operator's key is here.

    Elsewhere a spare key's, which is no spare any more; NotThere where none is left.
    """
    if data.keys.exists("operator"):
        return secrets.token_hex(8)
    with locked(data.path / ".lock"):
        spare = next(iter(_spares(data)), None)
        if spare is None:
            raise NotThere(
                f"{data.keys.folder}: no certified key is left for a new collector, and the "
                "operator's key is elsewhere; have the operator hand out more: "
                "`factoryledger init --part collector=DIR --collectors N`"
            )
        identity = spare.removeprefix(_SPARE)
        data.keys.rename(spare, f"collector-{identity}")
        return identity


def fill_spares(data: DataDir, count: int, operator: DataDir) -> None:
    """Let `data` have so many spare keys, each certified by the operator's; durable on return."""
    enrolments = Enrolments(operator)
    for _ in range(count - len(_spares(data))):
        identity = secrets.token_hex(8)
        origin = f"{operator.origin}/collector/{identity}"
        data.keys.write(f"{_SPARE}{identity}", SignerKey.generate(origin, ED25519))
    # Those of a call that was cut short are certified now.
    for stem in _spares(data):
        key = data.keys.read(stem)
        if key is not None:
            enrolments.ensure_collector(stem.removeprefix(_SPARE), bare(key))


def _spares(data: DataDir) -> list[str]:
    return [stem for stem in data.keys.stems() if stem.startswith(_SPARE)]
