"""A data folder for each part that runs apart, with the keys that it needs and no other.

Rule: the operator's key is in no part's folder. What a part needs certified is certified here,
ahead: the machines' keys, and keys for collectors to come. A second call completes the first,
and gives every part the policy as it is now.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from factoryledger.data_dir import DataDir
from factoryledger.enrolment import Enrolments
from factoryledger.errors import WrongUsage
from factoryledger.files import write_whole
from factoryledger.installation import Installation
from factoryledger.secret_prefix import secret_prefix, secret_share
from factoryledger.spare_keys import fill_spares
from simulator.edge import edges_of
from simulator.machine import Machine

SPARES: Final = 8
_ROLES: Final[Mapping[str, Sequence[str]]] = {
    "anchor": ("anchor",),
    "collector": ("collector",),
    "simulator": ("simulator", "machine"),
    "web": ("watch",),
    "public": (),
}
"""Whose keys for the broker each part gets."""


def parse_part(text: str) -> tuple[str, Path]:
    """Read `NAME=DIR`; WrongUsage where it is something else."""
    name, given, folder = text.partition("=")
    if name not in _ROLES or not given or not folder:
        raise WrongUsage(f"--part {text!r}: write NAME=DIR, where NAME is {', '.join(_ROLES)}")
    return name, Path(folder)


def hand_out(
    place: Installation, part: str, folder: Path, *, plant: Sequence[Machine], collectors: int
) -> None:
    """Complete a part's folder: the policy, its own keys, what it shows the broker.

    `place` is the operator's. The simulator's keys are those of `plant`; the collectors' are
    so many for collectors to come.
    """
    data = DataDir(folder)
    data.keys.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    data.keys.folder.chmod(0o700)
    # Where the log and the operator's requests are mounted, also into what is read only.
    for shared in ("log", "requests"):
        (folder / shared).mkdir(exist_ok=True)
    if part == "anchor":
        data.keys.write("anchor", place.data.anchor)
    _write(data.policy_file, place.data.policy_file.read_bytes(), 0o644)
    if part == "collector":
        _write(folder / "share", f"{secret_share(place.data.path)}\n".encode(), 0o600)
        fill_spares(data, collectors, place.data)
    if part == "simulator":
        _enrol(place, data, plant)
    if _ROLES[part]:
        # On a broker that is everybody's, all of them meet under one prefix.
        _write(folder / "prefix", f"{secret_prefix(place.data.path)}\n".encode(), 0o600)
    for role in _ROLES[part]:
        for file in sorted((place.data.path / "broker" / role).glob("*")):
            there = folder / "broker" / role / file.name
            there.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(there, file.read_bytes(), 0o600)


def _enrol(place: Installation, data: DataDir, plant: Sequence[Machine]) -> None:
    """Machines and edge nodes: a key each in the part's folder, enrolled; a certificate each."""
    edges = edges_of(plant)
    senders = [machine.name for machine in plant] + [edge.name for edge in edges]
    Enrolments(place.data).enrol_devices(data.devices(senders))
    if place.broker_files.ready:
        alone = [machine.name for machine in plant if machine.language != "sparkplug"]
        behind = {edge.name: [device.name for device in edge.machines] for edge in edges}
        place.broker_files.machines([*alone, *behind], behind)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a file unless it is so already: who holds a lock on it keeps it."""
    if not (path.exists() and path.read_bytes() == content):
        write_whole(path, content, mode=mode)
