"""Another wall clock for some processes, by libfaketime (Debian: apt-get install libfaketime).

The clock of the processes is the wall's plus an offset in a file, which may change while they
run; their monotonic clock is the machine's.
"""

from pathlib import Path

_PLACES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")


def find_faketime():
    """Give the library; None without one."""
    found = (path for place in _PLACES for path in sorted(Path("/").glob(place[1:])))
    return next(found, None)


class WallClock:
    """A clock that is off by as many seconds as it is told."""

    def __init__(self, library, file):
        self._file = file
        self.put(0)
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",  # its name before 0.9.10
        }

    def put(self, seconds):
        """Jump; whoever reads the file meanwhile finds the one offset or the other."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._file)
