"""What a process and its children hold in memory, looked at again and again."""

import threading
import time
from contextlib import suppress
from pathlib import Path

EVERY = 0.5  # s


def megabytes(pid):
    """Resident memory of a process and its children, shared pages counted for each."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    kilobytes = 0
    for one in (str(pid), *children):
        with suppress(FileNotFoundError):  # a child may end meanwhile
            status = Path(f"/proc/{one}/status").read_text("ascii")
            kilobytes += int(status.partition("VmRSS:")[2].split()[0])
    return kilobytes / 1024


class Sizes:
    """Samples in a thread of its own, each with the time when it was taken."""

    def __init__(self, pid):
        self._pid = pid
        self._samples = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def most(self, since=0.0, until=float("inf")):
        """The largest between two times of the monotonic clock."""
        within = (size for at, size in self._samples if since <= at <= until)
        return max(within, default=0.0)

    def _look(self):
        while not self._done.wait(EVERY):
            self._samples.append((time.monotonic(), megabytes(self._pid)))
