"""The settings for people: each with its value as one would write it, and its origin.

Passwords are in files, which are named and never opened here; one in a URL is masked.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from factoryledger.settings import Settings
from factoryledger.settings_meaning import MEANINGS, Meaning
from factoryledger.settings_sources import Origin, origins, read_settings

MASK: Final = "***"
_IN_AUTHORITY: Final = re.compile(r"(://[^:/?#]*:).*@")
_IN_QUERY: Final = re.compile(r"([?&](?:password|sslpassword)=)[^&]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Shown:
    """One setting: `value` as JSON has it, `text` as the file would have it."""

    name: str
    value: Any
    origin: Origin
    meaning: Meaning

    @property
    def text(self) -> str:
        """The value and its unit, for people."""
        if self.value is None:
            return "-"
        unit = self.meaning.unit
        return f"{json.dumps(self.value)} {unit}" if unit else json.dumps(self.value)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.meaning.unit,
            "from": self.origin.kind,
            "where": self.origin.said,
        }


def shown_settings(**flags: object) -> list[Shown]:
    """Every setting under these flags, in the order of the page; WrongUsage where one is wrong."""
    settings, origin = read_settings(**flags), origins(**flags)
    return [
        Shown(name, _plain(getattr(settings, name)), origin[name], meaning)
        for name, meaning in MEANINGS.items()
    ]


def defaults() -> Mapping[str, Any]:
    """Each setting's default, as JSON has it."""
    return {name: _plain(field.get_default(call_default_factory=True))
            for name, field in Settings.model_fields.items()}  # fmt: skip


def _plain(value: object) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str):
        return _IN_QUERY.sub(rf"\1{MASK}", _IN_AUTHORITY.sub(rf"\1{MASK}@", value))
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value
