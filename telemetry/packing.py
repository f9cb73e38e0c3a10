"""Recordings under Zstandard (RFC 8878): packed and unpacked in a stream, in bounded memory.

`flush` ends a block, so what was flushed is read again after a kill; a file that was cut
short gives what is there. Needs the extra `zstd`; without it a packed file is refused.
"""

import io
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol

from telemetry.errors import NotCanonical, NotInstalled

if TYPE_CHECKING:
    from collections.abc import Buffer  # type: ignore[attr-defined]

SUFFIX: Final = ".zst"

_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_CHUNK: Final = 1 << 16
# 8 MiB, what RFC 8878 asks of every reader; a frame may ask for terabytes in its first bytes.
_WINDOW: Final = 23


class Sink(Protocol):
    """Where a recording is written: an open file, or what packs into one."""

    def write(self, data: bytes, /) -> int:
        """Take all of it."""

    def flush(self) -> None:
        """Hand to the system what was written."""


def unpacked(file: BinaryIO) -> BinaryIO:
    """Give the bytes of a file, unpacked where it is packed; NotInstalled says what to install."""
    if _start(file) != _MAGIC:
        return file
    return io.BufferedReader(_Unpacking(file, _zstd()), _CHUNK)


class Packing:
    """Packs what is written into a file; `close` ends the frame, and not the file."""

    def __init__(self, file: BinaryIO) -> None:
        """NotInstalled without the extra."""
        zstd = _zstd()
        self._file = file
        self._packer = zstd.ZstdCompressor()
        self._block = zstd.ZstdCompressor.FLUSH_BLOCK

    def write(self, data: bytes, /) -> int:
        """Take some bytes."""
        self._file.write(self._packer.compress(data))
        return len(data)

    def flush(self) -> None:
        """End a block and hand all of it to the system."""
        self._file.write(self._packer.flush(self._block))
        self._file.flush()

    def close(self) -> None:
        """End the frame."""
        self._file.write(self._packer.flush())
        self._file.flush()


class _Unpacking(io.RawIOBase):
    """The other way; a file that ends inside of a frame simply ends."""

    def __init__(self, file: BinaryIO, zstd: Any) -> None:
        self._file = file
        self._zstd = zstd
        self._bounds = {zstd.DecompressionParameter.window_log_max: _WINDOW}
        self._unpacker = zstd.ZstdDecompressor(options=self._bounds)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "Buffer", /) -> int:
        view = memoryview(buffer)
        while True:
            data = b""
            if self._unpacker.eof:
                data = self._unpacker.unused_data
                self._unpacker = self._zstd.ZstdDecompressor(options=self._bounds)
            if self._unpacker.needs_input and not data:
                data = self._file.read(_CHUNK)
                if not data:
                    return 0
            found = self._some(data, len(view))
            if found:
                view[: len(found)] = found
                return len(found)

    def _some(self, data: bytes, most: int) -> bytes:
        try:
            return bytes(self._unpacker.decompress(data, most))
        except self._zstd.ZstdError as error:
            if "too much memory" in str(error):
                said = "packed with a window of more than 8 MiB: pack it without --ultra and --long"
                raise NotCanonical(said) from None
            raise NotCanonical(f"the packed data is damaged: {error}") from None


def _start(file: BinaryIO) -> bytes:
    if isinstance(file, io.BufferedReader):
        return file.peek(len(_MAGIC))[: len(_MAGIC)]
    start = file.read(len(_MAGIC))
    file.seek(-len(start), io.SEEK_CUR)
    return start


def _zstd() -> Any:
    try:
        return import_module("backports.zstd")
    except ImportError:
        raise NotInstalled(
            "a recording packed with Zstandard needs a library: pip install 'factoryledger[zstd]'"
        ) from None
