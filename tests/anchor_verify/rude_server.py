"""A web server for a log that stalls, cuts, is busy, drips, swells or lies, as it is told."""

import gzip
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Event, Thread

Manner = Callable[[socket.socket, bytes], bool]
"""Answers one request in its own way, given the file; False if the connection is over."""


def whole(peer: socket.socket, body: bytes, status: str = "200 OK", extra: str = "") -> bool:
    peer.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body)
    return True


def cut(peer: socket.socket, body: bytes) -> bool:
    """Half of what was announced, then the end."""
    peer.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode())
    peer.sendall(body[: len(body) // 2])
    return False


def reset(peer: socket.socket, body: bytes) -> bool:
    """No answer at all."""
    return False


def busy(peer: socket.socket, body: bytes) -> bool:
    return whole(peer, b"later", "503 Service Unavailable", "Retry-After: 0\r\n")


def gone(peer: socket.socket, body: bytes) -> bool:
    return whole(peer, b"", "404 Not Found")


def packed(peer: socket.socket, body: bytes) -> bool:
    return whole(peer, gzip.compress(body), extra="Content-Encoding: gzip\r\n")


def packed_otherwise(peer: socket.socket, body: bytes) -> bool:
    return whole(peer, body, extra="Content-Encoding: br\r\n")


def packed_falsely(peer: socket.socket, body: bytes) -> bool:
    return whole(peer, body, extra="Content-Encoding: gzip\r\n")


def packed_and_cut(peer: socket.socket, body: bytes) -> bool:
    return whole(peer, gzip.compress(body)[:-5], extra="Content-Encoding: gzip\r\n")


def packed_and_more(peer: socket.socket, body: bytes) -> bool:
    return whole(peer, gzip.compress(body) + b"more", extra="Content-Encoding: gzip\r\n")


def bomb(peer: socket.socket, body: bytes) -> bool:
    """A kilobyte or so that unpacks to a million."""
    return whole(peer, gzip.compress(bytes(1 << 20)), extra="Content-Encoding: gzip\r\n")


def hollow(peer: socket.socket, body: bytes) -> bool:
    """Packed without end, of which nothing comes out: empty blocks of deflate."""
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n")
    with suppress(OSError):
        peer.sendall(gzip.compress(b"")[:10])
        while True:
            peer.sendall(b"\0\0\0\xff\xff" * 10_000)
    return False


def endless(peer: socket.socket, body: bytes) -> bool:
    """More and more, until the other side has had enough."""
    peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    with suppress(OSError):
        while True:
            peer.sendall(bytes(1 << 16))
    return False


class RudeServer:
    """Serves `files`; the next requests for a path meet the manners in `manners[path]`.

    `asked` counts requests by path, `connections` those that were made.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self.manners: dict[str, list[Manner]] = {}
        self.asked: Counter[str] = Counter()
        self.connections = 0
        self.ended = Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._peers: list[tuple[socket.socket, Thread]] = []

    def stall(self, peer: socket.socket, body: bytes) -> bool:
        """Headers and half the body, then nothing, for as long as the server lives."""
        peer.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        peer.sendall(body[: len(body) // 2])
        self.ended.wait(60)
        return False

    def drip(self, peer: socket.socket, body: bytes) -> bool:
        """A header that never ends, a byte every so often: no single silence is long."""
        with suppress(OSError):
            peer.sendall(b"HTTP/1.1 200 OK\r\nX-Drip: ")
            while not self.ended.wait(0.02):
                peer.sendall(b"x")
        return False

    def accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            if self.ended.is_set():
                peer.close()
                return
            self.connections += 1
            thread = Thread(target=self._serve, args=(peer,))
            self._peers.append((peer, thread))
            thread.start()

    def _serve(self, peer: socket.socket) -> None:
        with peer, peer.makefile("rb") as lines, suppress(OSError):
            while request := lines.readline():
                while lines.readline().strip():
                    pass
                path = request.split(b" ")[1].decode().lstrip("/")
                self.asked[path] += 1
                queue = self.manners.get(path)
                manner = queue.pop(0) if queue else whole if path in self.files else gone
                if not manner(peer, self.files.get(path, b"")):
                    return

    def close(self) -> None:
        self.ended.set()
        with suppress(OSError):
            socket.create_connection(self._listener.getsockname()).close()
        self._listener.close()
        for peer, thread in self._peers:
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
            thread.join(30)


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[RudeServer]:
    server = RudeServer(files)
    thread = Thread(target=server.accept)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join(30)
