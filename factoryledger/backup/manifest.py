"""What a backup holds: each file by its hash. Pure.

`backup.json`, written last: a folder without it is no backup.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

from factoryledger.errors import WrongUsage

NAME: Final = "backup.json"
_FORMAT: Final = "factoryledger backup"
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """`made` is when (ISO 8601, UTC); `size` the log's entries under its checkpoint.

    `stores` are the files that databases are restored from, by what each is: `sqlite` or
    `postgresql`. `files` has the SHA-256 of every file, in hexadecimal, by path.
    """

    made: str
    release: str
    origin: str
    size: int
    stores: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The file."""
        head = {"format": _FORMAT, "version": _VERSION}
        return json.dumps({**head, **asdict(self)}, indent=1).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read it; WrongUsage where it is none, or of a newer release."""
        try:
            said: dict[str, Any] = json.loads(data)
            form, version = said.pop("format"), said.pop("version")
            found = cls(**said)
            texts = [found.made, found.release, found.origin, *found.stores, *found.files]
            texts += [*found.stores.values(), *found.files.values()]
            whole = all(isinstance(one, str) for one in texts) and isinstance(found.size, int)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise WrongUsage(f"{NAME}: it cannot be read as a backup's manifest") from error
        if form != _FORMAT or version != _VERSION:
            raise WrongUsage(f"{NAME}: version {version!r}; this release reads {_VERSION}")
        if not whole:
            raise WrongUsage(f"{NAME}: it cannot be read as a backup's manifest")
        return found
