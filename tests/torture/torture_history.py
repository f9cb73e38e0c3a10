"""The history of a run: what was done, seen and left, an event a line, in JSON.

An event is an object with `event`, its name, and `at`, seconds since the run began. Whoever
checks a run reads nothing else.
"""

import json
import threading
import time


class History:
    """Written by many threads, each event whole and at once on its way to the disk."""

    def __init__(self, path):
        self.path = path
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()
        self._start = time.monotonic()

    def elapsed(self):
        """Seconds since the run began."""
        return round(time.monotonic() - self._start, 3)

    def put(self, event, **members):
        """Write an event down; bytes as hexadecimal digits."""
        line = {"event": event, "at": self.elapsed()}
        for name, value in members.items():
            line[name] = value.hex() if isinstance(value, bytes) else value
        text = json.dumps(line, separators=(",", ":"))
        with self._lock:
            self._file.write(f"{text}\n")
            self._file.flush()

    def close(self):
        self._file.close()


def read_history(path):
    """All events, in the order in which they were written."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
