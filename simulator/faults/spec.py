"""Every fault there is, told apart by `fault`: docs/faults.md lists them.

A new one is a file beside this with a model, named here; the scenario's validation, its
error messages, the JSON Schema for editors and `--fault` follow from that. Pure.
"""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Field

from simulator.faults.bearing_wear import BearingWear
from simulator.faults.bias import Bias
from simulator.faults.clock_jump import ClockJump
from simulator.faults.clock_skew import ClockSkew
from simulator.faults.cloned_machine import ClonedMachine
from simulator.faults.coolant_leak import CoolantLeak
from simulator.faults.drift import Drift
from simulator.faults.dropout import Dropout
from simulator.faults.duplicates import Duplicates
from simulator.faults.fault import FaultSpec
from simulator.faults.flapping import Flapping
from simulator.faults.forged_sender import ForgedSender
from simulator.faults.noise import Noise
from simulator.faults.offline import Offline
from simulator.faults.power_sag import PowerSag
from simulator.faults.reconnect_storm import ReconnectStorm
from simulator.faults.reordering import Reordering
from simulator.faults.replayed_message import ReplayedMessage
from simulator.faults.slow import Slow
from simulator.faults.spikes import Spikes
from simulator.faults.stolen_key import StolenKey
from simulator.faults.stuck import Stuck
from simulator.faults.tool_breakage import ToolBreakage
from simulator.faults.withheld_message import WithheldMessage

AnyFault = Annotated[
    Stuck
    | Drift
    | Bias
    | Spikes
    | Dropout
    | Noise
    | BearingWear
    | CoolantLeak
    | ToolBreakage
    | PowerSag
    | Offline
    | Flapping
    | Slow
    | Duplicates
    | Reordering
    | ReconnectStorm
    | ClockSkew
    | ClockJump
    | ClonedMachine
    | ReplayedMessage
    | StolenKey
    | ForgedSender
    | WithheldMessage,
    Field(discriminator="fault"),
]

SPECS: Final[Mapping[str, type[FaultSpec]]] = {
    spec.model_fields["fault"].annotation.__args__[0]: spec
    for spec in AnyFault.__origin__.__args__  # type: ignore[attr-defined]
}
