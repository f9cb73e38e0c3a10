"""A disk in memory that loses at a power cut what was not synced. `simulator.disk.Disk`."""

import errno


class _File:
    __slots__ = ("data", "dropped", "synced")

    def __init__(self):
        self.data = bytearray()
        self.synced = 0
        # After a failed fsync the kernel holds the pages for clean: bytes up to here are read as
        # ever, and no later fsync puts them on the disk.
        self.dropped = 0


class SimulatedDisk:
    """Files of one machine, over many processes and power cuts."""

    def __init__(self, random, events):
        self._random = random
        self.events = events
        self._names = {}
        self._durable_names = {}
        self.locked = {}
        self.failing = None  # "write" or "sync"

    def mount(self, process, elapse):
        """The disk as one process sees it; `elapse` is called within a sync."""
        return MountedDisk(self, process, elapse)

    def durable(self, path, data):
        """Whether these bytes would be there after a power cut."""
        file = self._names.get(path)
        kept = self._durable_names.get(path)
        return file is not None and file is kept and file.data.find(data, 0, file.synced) >= 0

    def cut_power(self):
        """Lose names and bytes that were not synced; of a tail, any part may be there, or torn."""
        self.locked.clear()
        if self._random.random() < 0.5:
            self._names = dict(self._durable_names)
        for file in self._names.values():
            tail = len(file.data) - file.synced
            if tail:
                self.events["unsynced bytes lost, or torn"] += 1
                kept = self._random.choice((0, tail, self._random.randrange(tail + 1)))
                del file.data[file.synced + kept :]
                if kept and self._random.random() < 0.3:
                    at = file.synced + self._random.randrange(kept)
                    file.data[at : at + 64] = bytes(len(file.data[at : at + 64]))
                file.synced = file.dropped = len(file.data)
        self._durable_names = dict(self._names)


class MountedDisk:
    """What one process does on it; once that is dead, nothing any more."""

    def __init__(self, disk, process, elapse):
        self._disk, self._process, self._elapse = disk, process, elapse
        self._open = {}
        self._numbers = 2

    def _alive(self):
        if not self._process.alive:
            raise OSError(errno.EIO, "the process is dead")

    def lock(self, path):
        self._alive()
        holder = self._disk.locked.get(path)
        if holder is not None and holder.alive:
            raise BlockingIOError
        self._disk.locked[path] = self._process
        return self._number(path)

    def _number(self, what):
        self._numbers += 1
        self._open[self._numbers] = what
        return self._numbers

    def exists(self, path):
        return path in self._disk._names

    def read(self, path):
        return bytes(self._disk._names[path].data)

    def remove(self, path):
        self._alive()
        self._disk._names.pop(path, None)

    def create(self, path):
        self._alive()
        file = self._disk._names[path] = _File()
        return self._number(file)

    def open(self, path):
        self._alive()
        return self._number(self._disk._names[path])

    def size(self, descriptor):
        return len(self._open[descriptor].data)

    def write(self, descriptor, data):
        self._alive()
        if self._disk.failing == "write":
            self._disk.events["disk full"] += 1
            self._open[descriptor].data += data[: len(data) // 2]
            raise OSError(errno.ENOSPC, "No space left on device")
        self._open[descriptor].data += data

    def cut(self, descriptor, size):
        self._alive()
        file = self._open[descriptor]
        self._disk.events["torn tail dropped"] += len(file.data) > size
        del file.data[size:]
        file.synced = min(file.synced, size)
        file.dropped = min(file.dropped, size)

    def sync(self, descriptor):
        self._alive()
        file = self._open[descriptor]
        size = len(file.data)
        self._elapse()
        if self._disk.failing == "sync":
            self._disk.events["fsync failed"] += 1
            file.dropped = size
            raise OSError(errno.EIO, "Input/output error")
        if file.dropped <= file.synced:
            file.synced = max(file.synced, min(size, len(file.data)))

    def rename(self, path, to):
        self._alive()
        self._disk.events["outbox file rewritten"] += to in self._disk._names
        self._disk._names[to] = self._disk._names.pop(path)

    def sync_folder(self, path):
        self._alive()
        self._disk._durable_names = dict(self._disk._names)

    def close(self, descriptor):
        what = self._open.pop(descriptor)
        if not isinstance(what, _File) and self._disk.locked.get(what) is self._process:
            del self._disk.locked[what]
