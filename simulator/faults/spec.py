"""Faults as a scenario writes them: one frozen model each, told apart by `fault`.

A new fault is a model here, in the union `AnyFault`; the scenario's validation, its error
messages and the JSON Schema for editors follow from that. Pure.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from simulator.spans import Span


class FaultSpec(BaseModel):
    """What every fault has: the machines that it befalls, when it begins, how long it lasts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: Annotated[
        str, Field(description="A machine's name, or a pattern of names like mill-*")
    ]
    start: Annotated[Span, Field(description="After the scenario's start")]
    lasts: Annotated[Span, Field(description="How long")]


class SensorStuck(FaultSpec):
    """A sensor that goes on giving the value it had."""

    fault: Literal["sensor-stuck"]
    metric: str


class SensorBias(FaultSpec):
    """A sensor that gives too much, or too little, by a constant."""

    fault: Literal["sensor-bias"]
    metric: str
    bias: float


AnyFault = Annotated[SensorStuck | SensorBias, Field(discriminator="fault")]
