"""The metrics that a job adds to a machine's own: mode, parts, levels, effectiveness.

Ratios are in percent (`simulator.work.effectiveness`), over the present shift; parts are
counted from the start. Pure.
"""

from simulator.machines.kind import Metric
from simulator.packml import UnitMode
from simulator.work.job import Job

_PARTS = Metric("{part}", 0.0, 1e12)
_PERCENT = Metric("%", 0.0, 100.0)


def metrics_of(job: Job) -> dict[str, Metric]:
    """What `Worker.readings` gives for this job, by name."""
    metrics = {"unit_mode": Metric("1", float(min(UnitMode)), float(max(UnitMode)))}
    if not job.pace.cycle:
        return metrics
    metrics |= {"parts_good": _PARTS, "parts_scrap": _PARTS}
    buffers, position = job.line.buffers, job.position
    if position:
        metrics["inlet_level"] = Metric("{part}", 0.0, float(buffers[position - 1]))
    if position < len(buffers):
        metrics["outlet_level"] = Metric("{part}", 0.0, float(buffers[position]))
    return metrics | dict.fromkeys(("availability", "performance", "quality", "oee"), _PERCENT)
