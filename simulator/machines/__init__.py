"""The kinds of machines: one file and one registration here for each (docs/machines.md)."""

from typing import Any, Final

from simulator.machines import (
    agv,
    chiller,
    cold_store,
    compressor,
    conveyor,
    energy_meter,
    furnace,
    lathe,
    mill,
    moulding,
    packaging,
    press,
    robot,
)
from simulator.machines.kind import Kind

KINDS: Final[dict[str, Kind[Any]]] = {
    kind.name: kind
    for kind in (
        mill.KIND,
        lathe.KIND,
        moulding.KIND,
        robot.KIND,
        conveyor.KIND,
        compressor.KIND,
        chiller.KIND,
        furnace.KIND,
        press.KIND,
        packaging.KIND,
        agv.KIND,
        cold_store.KIND,
        energy_meter.KIND,
    )
}
