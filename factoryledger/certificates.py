"""X.509 for the broker alone: an authority, certificates under it, and who lost theirs.

Pure: a clock comes in as a datetime, bytes go out. ECDSA on P-256, which every OpenSSL behind a
broker takes. A certificate says who may connect; what a machine signs is another key's matter.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE: Final = timedelta(days=730)
"""Of a broker's or client's certificate; it is renewed in the last third."""
AUTHORITY_LIFE: Final = timedelta(days=7300)
"""Of the authority, and of its list of revoked ones: an expired list shuts everybody out."""
_BACKDATED: Final = timedelta(hours=1)
"""For machines whose clock is a little behind."""

_CURVE: Final = ec.SECP256R1()


@dataclass(frozen=True, slots=True)
class Pair:
    """A private key and its certificate, both PEM."""

    key: bytes
    certificate: bytes


class BadRequest(ValueError):  # noqa: N818 - says what happened
    """A certificate request that cannot be granted; the message says why."""


class Authority:
    """Signs certificates and the list of revoked ones with one key."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self._certificate = certificate

    @classmethod
    def from_pem(cls, pair: Pair) -> Self:
        """Read an authority that was made here; ValueError for anything else."""
        key = load_pem_private_key(pair.key, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the authority's key is not one on P-256")  # noqa: TRY004 - a file
        return cls(key, x509.load_pem_x509_certificate(pair.certificate))

    @property
    def certificate(self) -> bytes:
        """The authority's own, which all sides trust."""
        return self._certificate.public_bytes(Encoding.PEM)

    def server(self, hosts: Sequence[str], now: datetime, life: timedelta = LIFE) -> Pair:
        """A broker's key and certificate, good for these host names and addresses."""
        key = ec.generate_private_key(_CURVE)
        names = x509.SubjectAlternativeName([_host(host) for host in hosts])
        granted = self._grant(key.public_key(), hosts[0], now, life, client=False, names=names)
        return Pair(_pem(key), granted)

    def client(self, name: str, now: datetime, life: timedelta = LIFE) -> Pair:
        """A client's key and certificate; its common name is who it is at the broker."""
        key = ec.generate_private_key(_CURVE)
        return Pair(_pem(key), self._grant(key.public_key(), name, now, life, client=True))

    def grant(self, request: bytes, name: str, now: datetime) -> bytes:
        """Certify the key of a PEM request whose common name is `name`; BadRequest if not."""
        return self._grant(requested_key(request, name), name, now, LIFE, client=True)

    def revoked(self, serials: Iterable[int], now: datetime) -> bytes:
        """The list of certificates that count no more, PEM."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(now - _BACKDATED)
            .next_update(now + AUTHORITY_LIFE)
        )
        for serial in serials:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM)

    def _grant(  # noqa: PLR0913 - the fields of a certificate
        self,
        key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey,
        name: str,
        now: datetime,
        life: timedelta,
        *,
        client: bool,
        names: x509.SubjectAlternativeName | None = None,
    ) -> bytes:
        use = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = (
            _started(name, self._certificate.subject, key, now, life)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=True, certifies=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM)


def new_authority(name: str, now: datetime) -> Pair:
    """Make an authority that certifies clients and brokers, and no further authority."""
    key = ec.generate_private_key(_CURVE)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    certificate = (
        _started(name[:64], subject, key.public_key(), now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=False, certifies=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    return Pair(_pem(key), certificate.public_bytes(Encoding.PEM))


def requested_key(
    request: bytes, name: str
) -> ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey:
    """The key of a request, which its holder has shown to hold; BadRequest says what is wrong."""
    try:
        read = x509.load_pem_x509_csr(request)
        holds, key = read.is_signature_valid, read.public_key()
        named = read.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    # TypeError: a name of a kind of string that cryptography has no place for.
    except (
        ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.InvalidVersion,
    ) as error:  # fmt: skip
        raise BadRequest(f"no certificate request in PEM ({error})") from error
    if not holds:
        raise BadRequest("the request's signature does not hold: not made with the key it names")
    common = [str(one.value) for one in named]
    if common != [name]:
        raise BadRequest(f"the request is for {', '.join(common) or 'nobody'}, not for {name}")
    if isinstance(key, ed25519.Ed25519PublicKey) or (
        isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == _CURVE.name
    ):
        return key
    raise BadRequest("the request's key is neither on P-256 nor Ed25519")


def serial(certificate: bytes) -> int:
    """A certificate's serial number."""
    return x509.load_pem_x509_certificate(certificate).serial_number


def due(certificate: bytes, now: datetime) -> bool:
    """Whether a certificate is in the last third of its life, or past it."""
    read = x509.load_pem_x509_certificate(certificate)
    life = read.not_valid_after_utc - read.not_valid_before_utc
    return now > read.not_valid_after_utc - life / 3


def good_for(certificate: bytes, hosts: Sequence[str]) -> bool:
    """Whether a broker's certificate names exactly these hosts."""
    names = x509.load_pem_x509_certificate(certificate).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    return list(names.value) == [_host(host) for host in hosts]


def _started(
    name: str,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + life)
    )


def _usage(*, signs: bool, certifies: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        key_cert_sign=certifies,
        crl_sign=certifies,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
