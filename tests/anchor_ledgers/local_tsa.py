"""A time-stamp authority for tests: `openssl ts` behind a small HTTP server on the loopback.

Certificates are made anew for each run; `trouble` of a server is what it does wrong.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CONFIG = """
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/{signer}.pem
signer_key = {folder}/{signer}.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1, millisecs:500
ess_cert_id_chain = no
{more}
ess_cert_id_alg = sha256
"""


def _certificate(name, key, issuer, issuer_key, *, days, purpose=None, ca=False, serial=None):
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if purpose is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=True)
    return builder.sign(issuer_key, hashes.SHA256())


@dataclass
class Authority:
    """Its folder; `root` and `foreign` are PEM files, one that signed its key and one that not.

    `renewed` is the root anew, of the same key. Signer `twin` is the authority's own key, which
    the foreign root certified as well; `precise` states fractions of a second, and no accuracy.
    """

    folder: Path
    root: Path
    foreign: Path
    renewed: Path

    def stamp(self, request: bytes, signer: str = "tsa") -> bytes:
        """A TimeStampResp (DER) to a TimeStampReq; by tsa, expired, stranger, twin, precise."""
        config = self.folder / f"{signer}.cnf"
        query, reply = self.folder / f"{signer}.tsq", self.folder / f"{signer}.tsr"
        query.write_bytes(request)
        subprocess.run(
            ["openssl", "ts", "-reply", "-config", config, "-queryfile", query, "-out", reply],
            check=True,
            capture_output=True,
        )
        return reply.read_bytes()

    def request(self, data: bytes) -> bytes:
        """A request that another program would make."""
        file = self.folder / "data"
        file.write_bytes(data)
        made = subprocess.run(
            ["openssl", "ts", "-query", "-data", file, "-sha256", "-cert"],
            check=True,
            capture_output=True,
        )
        return made.stdout


def make_authority(folder: Path) -> Authority:
    (folder / "serial").write_text("01\n")
    keys = {}

    def write(stem, certificate, key):
        (folder / f"{stem}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        (folder / f"{stem}.key").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )

    for stem in ("root", "foreign"):
        keys[stem] = ec.generate_private_key(ec.SECP256R1())
        root = _certificate(f"Test {stem}", keys[stem], None, keys[stem], days=3650, ca=True)
        write(stem, root, keys[stem])
    anew = _certificate("Test root", keys["root"], None, keys["root"], days=7300, ca=True)
    write("renewed", anew, keys["root"])
    stamping = ExtendedKeyUsageOID.TIME_STAMPING
    for stem, under, days, purpose in (
        ("tsa", "root", 365, stamping),
        ("expired", "root", -30, stamping),
        ("stranger", "foreign", 365, stamping),
        ("twin", "foreign", 365, stamping),
    ):
        keys[stem] = key = (
            keys["tsa"] if stem == "twin" else ec.generate_private_key(ec.SECP256R1())
        )
        issuer = x509.load_pem_x509_certificate((folder / f"{under}.pem").read_bytes())
        write(
            stem,
            _certificate(
                f"Test {stem}", key, issuer.subject, keys[under], days=days, purpose=purpose
            ),
            key,
        )
        # The stranger's answers bring the root that they lead to.
        more = f"certs = {folder}/foreign.pem" if stem == "stranger" else ""
        (folder / f"{stem}.cnf").write_text(CONFIG.format(folder=folder, signer=stem, more=more))
    precise = CONFIG.replace("accuracy = secs:1, millisecs:500", "clock_precision_digits = 6")
    (folder / "precise.cnf").write_text(precise.format(folder=folder, signer="tsa", more=""))
    _write_wrong(folder, keys["root"])
    return Authority(folder, *(folder / f"{stem}.pem" for stem in ("root", "foreign", "renewed")))


def _write_wrong(folder, root_key):
    """A twin of the authority's certificate that is for web servers, of the same length."""
    right = x509.load_pem_x509_certificate((folder / "tsa.pem").read_bytes())
    key = load_pem_private_key((folder / "tsa.key").read_bytes(), None)
    length, wrong = len(right.public_bytes(Encoding.DER)), None
    while wrong is None or len(wrong.public_bytes(Encoding.DER)) != length:
        # An ECDSA signature is a byte or two longer or shorter by chance.
        wrong = _certificate(
            "Test tsa",
            key,
            right.issuer,
            root_key,
            days=365,
            purpose=ExtendedKeyUsageOID.SERVER_AUTH,
            serial=right.serial_number,
        )
    (folder / "wrong.pem").write_bytes(wrong.public_bytes(Encoding.PEM))


@dataclass
class Server:
    """A running authority: its URL, what it was asked, and what it does wrong now."""

    url: str
    authority: Authority
    trouble: str = ""
    asked: list[bytes] = field(default_factory=list)
    kept: bytes = b""

    def answer(self, request: bytes) -> tuple[int, str, bytes]:
        self.asked.append(request)
        kind = "application/timestamp-reply"
        other = {"busy": (503, "text/plain", b"later"), "page": (200, "text/html", b"<html>")}
        other["replay"] = (200, kind, self.kept)
        if self.trouble in other:
            return other[self.trouble]
        if self.trouble in {"expired", "stranger"}:
            return 200, kind, self.authority.stamp(request, self.trouble)
        if self.trouble == "rejects":
            sha256, sha224 = (bytes.fromhex(f"6086480165030402{n}") for n in ("01", "04"))
            return 200, kind, self.authority.stamp(request.replace(sha256, sha224))
        self.kept = self.authority.stamp(request)
        if self.trouble == "trailing":
            return 200, kind, self.kept + b"\0"
        return 200, kind, self.kept


@contextmanager
def serving(authority: Authority) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, kind, answer = server.answer(body)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = Server(f"http://127.0.0.1:{http.server_port}/", authority)
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
