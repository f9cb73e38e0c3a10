"""Settings: everything that can be set, its type, its bounds and its default.

`settings_sources` reads them, once, at the start of a command.
A broker's user and password come from settings or a file, and so does a database's password:
never from the command line, where every user of the machine could see them.
"""

import json
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, StringConstraints
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from factoryledger.files import first_line

SETTINGS_FILE: Final = Path("factoryledger.toml")
VARIABLE: Final = "FACTORYLEDGER_"

Status = Literal[
    "accepted",
    "unsigned",
    "bad-signature",
    "unknown-device",
    "revoked",
    "malformed",
    "conflict",
]


def _urls(given: object) -> object:
    """One URL, or a list of them: in a variable, a list as JSON has it."""
    if isinstance(given, str) and given.startswith("["):
        return json.loads(given)
    return (given,) if isinstance(given, str) else given


class Settings(BaseSettings):
    """Everything that can be set; a command uses what concerns it."""

    model_config = SettingsConfigDict(
        env_prefix=VARIABLE, toml_file=SETTINGS_FILE, frozen=True, extra="forbid"
    )

    data: Path = Path("factoryledger-data")
    broker: str = "mqtt://127.0.0.1:1883"
    broker_user: str | None = None
    broker_password_file: Path | None = None
    broker_ca_file: Path | None = None
    broker_certificate_file: Path | None = None
    broker_key_file: Path | None = None
    broker_identity: Literal["", "collector", "anchor", "watch", "simulator"] = ""
    database: Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(_urls)] = None
    database_password_file: Path | None = None
    key_passphrase_file: Path | None = None
    name: Annotated[str, StringConstraints(pattern=r"^([a-z0-9_-]{1,64})?$")] = ""
    share: Annotated[str, StringConstraints(pattern=r"^[^/+#]*$")] = ""
    session_expiry: int = Field(default=0xFFFFFFFF, ge=0, le=0xFFFFFFFF)
    log: Path | None = None
    policy: Path | None = None
    prefix: str = ""
    seed: int = Field(default=1, ge=0)
    machines: int = Field(default=20, ge=1, le=100_000)
    # Machines count whole milliseconds, and go through all states of the time between scans.
    interval: float = Field(default=1.0, ge=0.001, le=86_400)
    drain: float = Field(default=30.0, ge=0, le=1e9)
    # Before `drain` ends, after the last moment of a receipt (simulator.delivery).
    resend_after: float = Field(default=25.0, gt=0, le=1e9)
    shut_out_retry: float = Field(default=30.0, gt=0, le=1e9)
    clock: Literal["system", "recording"] = "system"
    flush_count: int = Field(default=2000, ge=1)
    flush_seconds: float = Field(default=0.25, gt=0, le=1e9)
    anchored_within: float = Field(default=300.0, gt=0, le=1e9)
    limit_payload: int = Field(default=16 * 2**20, ge=0)
    limit_properties: int = Field(default=64 * 2**10, ge=0)
    limit_rate: float = Field(default=0.0, ge=0, le=1e9)
    limit_bytes: float = Field(default=0.0, ge=0, le=1e12)
    limit_unproven: float = Field(default=0.0, ge=0, le=1e9)
    limit_unknown: float = Field(default=0.0, ge=0, le=1e9)
    limit_checks: float = Field(default=0.0, ge=0, le=1e9)
    rebirth: bool = True
    processes: int | None = Field(default=None, ge=0, le=256)
    every: float = Field(default=1.0, gt=0, le=1e9)
    every_batches: int = Field(default=0, ge=0)
    ledger: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_urls)] = ()
    ledgers: Path | None = None
    clock_tolerance: int = Field(default=60, ge=0, le=10**9)
    retention: dict[Status, Annotated[float, Field(ge=0, le=1e6)]] = Field(default_factory=dict)
    retention_every: float = Field(default=3600.0, gt=0, le=1e9)
    metrics: str | None = None
    web_password_file: Path | None = None
    log_format: Literal["text", "json"] = "text"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags win over the environment, the environment over the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def broker_password(self) -> str | None:
        """The broker's password from the first line of its file, if there is one."""
        file = self.broker_password_file
        return None if file is None else first_line(file, "password")

    @property
    def web_password(self) -> str | None:
        """The web page's password from the first line of its file, if there is one."""
        file = self.web_password_file
        return None if file is None else first_line(file, "password")

    @property
    def database_password(self) -> str | None:
        """The database's password from the first line of its file, if there is one."""
        file = self.database_password_file
        return None if file is None else first_line(file, "password")
