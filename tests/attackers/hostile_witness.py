"""A witness over real sockets that does what it is told, and is told nothing good."""

import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Handler(BaseHTTPRequestHandler):
    """Hands each request to the server's manner: path and body, and what to answer by."""

    def _met(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        with suppress(OSError):
            self.server.manner(self, body)
        self.close_connection = True

    do_GET = do_POST = _met  # noqa: N815 - http.server's names

    def log_message(self, *_):
        """Say nothing."""

    def say(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_):
        """Whoever had enough of it hung up."""


@contextmanager
def hostile(manner):
    """Start one; gives its URL. `manner.ended` is set when it is over, for those who wait."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.manner, server.ended = manner, threading.Event()
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.ended.set()
            server.shutdown()
            thread.join(10)
