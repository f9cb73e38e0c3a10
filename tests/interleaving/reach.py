"""Which lines of the protocol's own rules a run has reached, and which it never has."""

import importlib
import sys
from collections import defaultdict
from pathlib import Path

# Where the protocol is decided; what Sparkplug and recordings add to them is not simulated.
MODULES = (
    "simulator.delivery", "simulator.outbox", "simulator.outbox_file", "simulator.outbox_frame",
    "simulator.courier", "simulator.uplink", "simulator.herald", "simulator.trust",
    "telemetry.mqtt_session", "telemetry.unacknowledged", "telemetry.redelivery",
    "telemetry.unsettled", "telemetry.keep_alive", "telemetry.strand", "telemetry.bundle",
    "telemetry.link", "telemetry.upkeep", "telemetry.mqtt_wire", "telemetry.admission",
    "collector.batch", "collector.claims", "collector.pending", "collector.receipting",
    "collector.ledger", "collector.commit", "collector.intake", "collector.ahead",
    "collector.outgoing", "collector.service", "collector.resume", "collector.patience",
)  # fmt: skip


class Reach:
    """Counts lines while it is entered; the run is some times slower."""

    def __init__(self):
        self._files = {importlib.import_module(name).__file__: name for name in MODULES}
        self._lines = defaultdict(set)

    def __enter__(self):
        sys.settrace(self._call)
        return self

    def __exit__(self, *_):
        sys.settrace(None)

    def _call(self, frame, event, arg):
        name = self._files.get(frame.f_code.co_filename)
        if name is None:
            return None
        lines = self._lines[name]
        lines.add(frame.f_lineno)

        def line(frame, event, arg):
            lines.add(frame.f_lineno)
            return line

        return line

    def table(self):
        """Module: lines of its functions that were reached, of how many, and the others."""
        found = {}
        for path, name in self._files.items():
            every = _lines_of(path)
            missing = sorted(every - self._lines[name])
            found[name] = (len(every) - len(missing), len(every), missing)
        return found


def _lines_of(path):
    """Lines of functions' bodies; a module's own run when it is imported."""
    whole = compile(Path(path).read_text(encoding="utf-8"), path, "exec")
    lines = set()
    _walk(whole, lines, inside=False)
    return lines


def _walk(code, lines, *, inside):
    if inside:
        lines.update(line for _, _, line in code.co_lines() if line)
        lines.discard(code.co_firstlineno)
    for part in code.co_consts:
        if hasattr(part, "co_code"):
            # A class's body runs when it is imported; a function's when it is called.
            _walk(part, lines, inside=inside or bool(part.co_flags & 0x02))
