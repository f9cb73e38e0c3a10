"""A calendar and a chain of one's own on loopback, that speak as the real ones do.

The calendar takes digests, promises, and when a block is `mine`d gives its way to the block's
Merkle root; bytes are put together here by hand, not by the code under test. The chain's
blocks cost 256 hashes. It answers as an Esplora server, as a node's REST interface and as a
node's JSON-RPC, so that the stock client verifies against it.
"""

import hashlib
import json
import os
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

LEAST_WORK = 1 << 7
BITS = 0x2000FFFF
PENDING = bytes.fromhex("83dfe30d2ef90c8e")
BITCOIN = bytes.fromhex("0588960d73d71901")


def sha256(data):
    return hashlib.sha256(data).digest()


def number(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def counted(data):
    return number(len(data)) + data


def append(data):
    return b"\xf0" + counted(data)


def prepend(data):
    return b"\xf1" + counted(data)


HASH = b"\x08"


def promise(address):
    return b"\x00" + PENDING + counted(counted(address.encode()))


def in_block(height):
    return b"\x00" + BITCOIN + counted(number(height))


def mined(before, root, when, bits=BITS):
    """A header of 80 bytes with as much work as its bits ask for."""
    target = (bits & 0x7FFFFF) << 8 * ((bits >> 24) - 3)
    for nonce in range(1 << 32):
        head = (2).to_bytes(4, "little") + before + root + when.to_bytes(4, "little")
        head += bits.to_bytes(4, "little") + nonce.to_bytes(4, "little")
        if int.from_bytes(sha256(sha256(head)), "little") <= target:
            return head
    raise AssertionError("no nonce")


def hash_of(header):
    return sha256(sha256(header))[::-1].hex()


class Server:
    """HTTP on a free port of loopback; `ask(method, path, body)` gives status and body."""

    def __init__(self):
        served = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                self._answer(b"")

            def do_POST(self):
                self._answer(self.rfile.read(int(self.headers.get("content-length", 0))))

            def _answer(self, body):
                status, answer = served.ask(self.command, self.path, body)
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(answer)))
                    for name, value in served.headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(answer)
                except OSError:
                    pass

        self.headers = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def ask(self, method, path, body):
        raise NotImplementedError

    def close(self):
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()


class Chain(Server):
    """Blocks from a height on; `answer` replaces what is said, given path and the true word."""

    def __init__(self, first=840_000, when=1_700_000_000):
        self.headers_at, self.next, self.when = {}, first, when
        self.answer = lambda _, status, body: (status, body)
        super().__init__()

    def mine(self, root):
        before = sha256(sha256(self.headers_at[self.next - 1])) if self.headers_at else bytes(32)
        self.headers_at[self.next] = mined(before, root, self.when)
        self.next, self.when = self.next + 1, self.when + 600
        return self.next - 1

    def pinned(self):
        """The file of pinned headers."""
        lines = (f"{height}:{header.hex()}\n" for height, header in self.headers_at.items())
        return "".join(lines).encode()

    def ask(self, method, path, body):
        if method == "POST":
            return self._rpc(json.loads(body))
        by_hash = {hash_of(header): header for header in self.headers_at.values()}
        parts = path.strip("/").split("/")
        status, said = 404, b"Block not found"
        if parts[0] == "block-height" and int(parts[1]) in self.headers_at:
            status, said = 200, hash_of(self.headers_at[int(parts[1])]).encode()
        elif parts[:2] == ["rest", "blockhashbyheight"]:
            height = int(parts[2].removesuffix(".hex"))
            if height in self.headers_at:
                status, said = 200, hash_of(self.headers_at[height]).encode() + b"\n"
        elif parts[0] == "block" and parts[2] == "header" and parts[1] in by_hash:
            status, said = 200, by_hash[parts[1]].hex().encode()
        elif parts[:3] == ["rest", "headers", "1"]:
            header = by_hash.get(parts[3].removesuffix(".hex"))
            if header is not None:
                status, said = 200, header.hex().encode() + b"\n"
        return self.answer(path, status, said)

    def _rpc(self, call):
        by_hash = {hash_of(header): header for header in self.headers_at.values()}
        results = {
            "getblockcount": lambda: self.next - 1,
            "getblockhash": lambda height: hash_of(self.headers_at[height]),
            "getblockheader": lambda named, *_: by_hash[named].hex(),
        }
        result = results[call["method"]](*call["params"])
        return 200, json.dumps({"id": call["id"], "result": result, "error": None}).encode()


class Calendar(Server):
    """A calendar that writes into `chain`; `on_submit` and `on_upgrade` replace its answers.

    Each is given the status and body of the honest answer, and gives what is answered.
    """

    def __init__(self, chain, levels=1):
        self.levels = levels  # of the block's own tree, beside its transaction
        self.chain, self.submitted, self.asked = chain, [], 0
        self.waiting, self.ready = {}, {}
        self.delay = 0.0
        self.on_submit = self.on_upgrade = lambda status, body: (status, body)
        self._lock = Lock()
        super().__init__()
        self.address = self.url

    def ask(self, method, path, body):
        time.sleep(self.delay)
        with self._lock:
            if method == "POST" and path == "/digest" and len(body) <= 64:
                return self.on_submit(200, self._promise(body))
            self.asked += 1
            commitment = bytes.fromhex(path.removeprefix("/timestamp/"))
            if commitment in self.ready:
                return self.on_upgrade(200, self.ready[commitment])
            known = commitment in self.waiting
            said = b"Pending confirmation in Bitcoin blockchain" if known else b"Not found"
            return self.on_upgrade(404, said)

    def _promise(self, digest):
        self.submitted.append(digest)
        beside, when, mac = os.urandom(32), int(time.time()).to_bytes(4, "big"), os.urandom(8)
        commitment = when + sha256(digest + beside) + mac
        self.waiting[commitment] = b""
        return append(beside) + HASH + prepend(when) + append(mac) + promise(self.address)

    def mine(self):
        """Put all that waits into one block: a tree of commitments, a transaction, a header."""
        with self._lock:
            return self._mine()

    def _mine(self):
        ways = dict.fromkeys(self.waiting, b"")
        level = [(commitment, [commitment]) for commitment in self.waiting]
        while len(level) > 1:
            above = []
            for left, right in zip(level[::2], level[1::2], strict=False):
                for one in left[1]:
                    ways[one] += append(right[0]) + HASH
                for one in right[1]:
                    ways[one] += prepend(left[0]) + HASH
                above.append((sha256(left[0] + right[0]), left[1] + right[1]))
            level = above + (level[-1:] if len(level) % 2 else [])
        tip = level[0][0]
        front, back = os.urandom(60), bytes(4)
        root, end = sha256(sha256(front + tip + back)), prepend(front) + append(back) + HASH * 2
        for beside in (os.urandom(32) for _ in range(self.levels)):
            root, end = sha256(sha256(beside + root)), end + prepend(beside) + HASH * 2
        height = self.chain.mine(root)
        end += in_block(height)
        for commitment, way in ways.items():
            self.ready[commitment] = way + end
        self.waiting = {}
        return height


@contextmanager
def closing_all(*servers):
    try:
        yield servers
    finally:
        for server in servers:
            server.close()
