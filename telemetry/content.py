"""What a birth, a state or an event says, for those who make them.

Models to build content with; what arrives is checked by `telemetry.message` instead. Pure.
"""

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, field_validator

from telemetry.canonical import unb64
from telemetry.signature import check_public_key


class _Content(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MetricInfo(_Content):
    """A metric of a machine: its UCUM unit and the range that it is made for."""

    unit: str
    low: FiniteFloat
    high: FiniteFloat


class BirthContent(_Content):
    """The `birth` object: metrics by name, the machine's kind, its public key as base64."""

    metrics: dict[str, MetricInfo]
    kind: str
    public_key: str

    @field_validator("public_key")
    @classmethod
    def _is_key(cls, value: str) -> str:
        check_public_key(unb64(value))
        return value


class StateContent(_Content):
    """The `state` object: a PackML state by name and by its PackTags number."""

    name: str
    number: int = Field(ge=0)


class EventContent(BaseModel):
    """The `event` object: a name, and whatever else tells of it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
