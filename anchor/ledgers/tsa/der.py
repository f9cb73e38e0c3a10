"""The certificates of a time-stamp response in the order that DER asks for.

No signature covers that order, OpenSSL's authorities do not keep it (openssl issue 13142), and
rfc3161-client refuses what is not in it. Only whole elements change places; what is not of
the form that is expected comes back as it came, and is refused by who parses it.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final

_CERTIFICATES: Final = 0xA0
_LONG: Final = 0x80


def with_sorted_certificates(response: bytes) -> bytes:
    """A TimeStampResp (RFC 3161) whose SignedData (RFC 5652) lists its certificates sorted."""
    try:
        start, stop = _certificates(response)
        elements = [response[at:end] for at, _, end in _elements(response, start, stop)]
    except (IndexError, ValueError, StopIteration):
        return response
    return response[:start] + b"".join(sorted(elements)) + response[stop:]


def _certificates(data: bytes) -> tuple[int, int]:
    """Where the certificates stand: behind the header of their set, until its end."""
    start, stop = 0, len(data)
    # Response, second of it the token, its [0], SignedData, and the fourth of that.
    for number in (0, 1, 1, 0, 3):
        at, start, stop = next(islice(_elements(data, start, stop), number, None))
    if data[at] != _CERTIFICATES:
        raise ValueError("no certificates")
    return start, stop


def _elements(data: bytes, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Each element of a constructed value: where it begins, its content begins, it ends."""
    while start < stop:
        content, length = start + 2, data[start + 1]
        if length >= _LONG:
            content += length - _LONG
            length = int.from_bytes(data[start + 2 : content], "big")
        if content + length > stop:
            raise ValueError("it ends beyond what it is in")
        yield start, content, content + length
        start = content + length
