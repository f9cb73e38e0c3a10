"""The kinds of machines: one file and one line here for each."""

from typing import Any, Final

from simulator.machines import chiller, compressor, furnace, mill, moulding
from simulator.machines.kind import Kind

KINDS: Final[dict[str, Kind[Any]]] = {
    kind.name: kind
    for kind in (
        mill.KIND,
        moulding.KIND,
        compressor.KIND,
        chiller.KIND,
        furnace.KIND,
    )
}
