"""How much room a part's disk has left. Edge: asks the file system, once a scrape."""

import os
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import Metric

from factoryledger.metrics.spelling import gauge


def free(folder: Path | None) -> Iterator[Metric]:
    """Bytes free where this folder lies, for who is not root; no sample where there is none."""
    left = None
    if folder is not None:
        try:
            found = os.statvfs(folder)
            left = found.f_bavail * found.f_frsize
        except OSError:
            pass  # not made yet, or gone: the part itself says so
    yield gauge("disk_free_bytes", "Bytes free on the disk of what the part keeps.", left)
