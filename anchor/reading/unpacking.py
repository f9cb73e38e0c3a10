"""What a server sends, unpacked: C2SP tlog-tiles lets a log pack its bundles without asking.

Pure, and bounded: no more comes out than a file may have, whatever it would unpack to.
"""

import zlib

from anchor.errors import Malformed

ACCEPTED = "gzip, identity"
_GZIP = 31  # the largest window, with gzip's header and trailer


class Unpacking:
    """One file on its way, of a content encoding; Malformed for one that was not asked for."""

    def __init__(self, encoding: str, limit: int) -> None:
        self._limit = limit
        # A packed file may be longer than what it holds, and no more than this.
        self._most = limit if encoding == "identity" else limit + limit // 16 + 1024
        self._came = 0
        self._found = bytearray()
        self._stream: zlib._Decompress | None = None
        if encoding in {"gzip", "x-gzip"}:
            self._stream = zlib.decompressobj(_GZIP)
        elif encoding != "identity":
            raise Malformed(f"comes packed ({encoding}), which was not asked for")

    def take(self, part: bytes) -> None:
        """Take the next bytes; Malformed as soon as the file is longer than it may be."""
        self._came += len(part)
        if self._stream is None:
            self._found += part
        else:
            self._unpack(self._stream, part)
        if len(self._found) > self._limit or self._came > self._most:
            raise Malformed(f"is longer than the {self._limit} bytes that it may have")

    def whole(self) -> bytes:
        """The file; Malformed where the packing had no end, or not at the end."""
        stream = self._stream
        if stream is not None and (not stream.eof or stream.unused_data):
            raise Malformed("comes packed (gzip), and not as one whole")
        return bytes(self._found)

    def _unpack(self, stream: "zlib._Decompress", part: bytes) -> None:
        try:
            # One byte more than the limit tells that there is more.
            self._found += stream.decompress(part, self._limit + 1 - len(self._found))
        except zlib.error as error:
            raise Malformed(f"comes packed (gzip) and cannot be unpacked: {error}") from error
        if stream.unconsumed_tail:
            raise Malformed(f"is longer than the {self._limit} bytes that it may have")
