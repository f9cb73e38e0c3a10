"""A simulated factory without a broker: a recording, a data set, or pictures of its days."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from factoryledger.installation import Installation
from factoryledger.simulating.plant import Plant
from simulator.crew import Tally
from simulator.export import Exported, export, is_data_set
from simulator.gallery import DAY, days
from simulator.offline import START, write_recording
from simulator.plot import draw, require_matplotlib

MANY: Final = 50_000  # messages: some seconds


def write_offline(
    place: Installation, plant: Plant, duration: float, speed: float | None, out: Path
) -> Tally | Exported:
    """A recording, or by the file's name a data set."""
    begin = START if plant.begin is None else plant.begin
    if is_data_set(out):
        return export(
            machines=plant.machines,
            duration=duration,
            interval=place.settings.interval,
            begin=begin,
            faults=plant.faults,
            out=out,
        )
    return write_recording(
        machines=plant.machines,
        seed=plant.seed,
        duration=duration,
        interval=place.settings.interval,
        begin=begin,
        speed=math.inf if speed is None else speed,
        faults=plant.faults,
        processes=_signing(len(plant.machines) * duration / place.settings.interval, speed),
        out=out,
    )


def _signing(messages: float, speed: float | None) -> int:
    """How many processes sign beside this one: one, where that is worth its start."""
    spare = (os.cpu_count() or 1) > 1
    return int(spare and speed is None and messages >= MANY)


def plot_days(
    place: Installation, plant: Plant, duration: float | None, folder: Path
) -> Sequence[str]:
    """Draw the first machine of each kind; PlotUnavailable before anything is simulated."""
    require_matplotlib()
    gathered = days(
        plant.machines,
        seconds=DAY if duration is None else duration,
        interval=place.settings.interval,
        begin=START if plant.begin is None else plant.begin,
    )
    return [str(path) for path in draw(gathered, folder)]
