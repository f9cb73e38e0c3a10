"""What a broker's authority remembers: whom it certified, who is shut out, who speaks for whom.

Pure. Clients' names: a machine's or an edge node's is its own, a segment; all others have a dot
in theirs, so that no machine can be enrolled under one.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final, Self

SERVICES: Final[Mapping[str, int]] = {"collector": 8, "anchor": 1, "watch": 8, "simulator": 2}
"""The roles that are no machine, and how many clients of each there may be at once."""
MACHINE: Final = "machine"
_HELPERS: Final = {"simulator": ("orderly", "intruder")}


@dataclass(slots=True)
class Book:
    """Serial numbers by client, those revoked, and what the ACL says beside the shipped rules.

    `gateways` are the places (`enterprise/site/…`) of a gateway's machines, `edges` the devices
    of a Sparkplug edge node, `hosts` the Sparkplug host applications by their ids.
    """

    issued: dict[str, list[int]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    revoked: list[int] = field(default_factory=list)
    shut_out: list[str] = field(default_factory=list)
    gateways: dict[str, list[str]] = field(default_factory=dict)
    edges: dict[str, list[str]] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote; ValueError for anything else."""
        try:
            read = cls(**json.loads(text))
        except (TypeError, RecursionError) as error:
            raise ValueError("no book of a broker's clients") from error
        return read

    def to_json(self) -> str:
        """Give all of it."""
        return json.dumps(asdict(self), indent=1) + "\n"

    def rules(self) -> str:
        """Give what the broker reads of it: whom it certified is not its business."""
        return json.dumps(asdict(self) | {"issued": None})

    def note(self, client: str, number: int) -> None:
        """A certificate was given out; who had been shut out is let in again by it."""
        self.issued.setdefault(client, []).append(number)
        if client in self.shut_out:
            self.shut_out.remove(client)

    def drop(self, client: str) -> None:
        """Let the certificates of a client so far count no more."""
        self.revoked.extend(self.issued.pop(client, []))

    def bar(self, client: str) -> None:
        """Shut a client out."""
        self.drop(client)
        if client not in self.shut_out:
            self.shut_out.append(client)

    def clients(self) -> dict[str, list[str]]:
        """Give the clients of each role."""
        return {role: service_names(role, count) for role, count in self.counts.items()}


def service_names(role: str, count: int) -> list[str]:
    """Give the clients of a role: `collector.1` and so on."""
    return [f"{role}.{number + 1}" for number in range(count)]


def helper_names(role: str, count: int) -> list[str]:
    """Give the further clients that each client of a role connects."""
    return [
        f"{name}.{helper}"
        for name in service_names(role, count)
        for helper in _HELPERS.get(role, ())
    ]
