"""RFC 3161: whether a time-stamp authority's response is over a checkpoint, and what it shows.

Pure. Trust is in the pinned roots alone; certificates inside of a response only help to find
the way to one. A response is good for as long as its certificates were at the time that it
states (RFC 3161, appendix B), so it does not end with them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256, sha384, sha512
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import Certificate, ObjectIdentifier, load_der_x509_certificate
from rfc3161_client import (
    PKIStatus,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from anchor.errors import Malformed, Refused
from anchor.ledgers.ledger import Stamp
from anchor.ledgers.tsa.der import with_sorted_certificates

KIND: Final = "tsr"
MAX_RESPONSE: Final = 1 << 16
"""Bytes; a chain of certificates is some thousands."""

_HASHES: Final = {
    "2.16.840.1.101.3.4.2.1": sha256,
    "2.16.840.1.101.3.4.2.2": sha384,
    "2.16.840.1.101.3.4.2.3": sha512,
}
_VERSIONS: Final = (3, 1)
_CHAIN: Final = re.compile(r"Verify error:\s*([^\"]*)")
_EXPIRED: Final = ("expired", "not yet valid")
_NOT_SHOWN: Final = (
    "that the authority's clock was right and its key its own: the time is its word",
    "whether its certificate was revoked; nobody is asked",
)


class NotGranted(Refused):
    """A response that says no, or not now; it holds no stamp."""


@dataclass(frozen=True, slots=True)
class TsaVoucher:
    """One authority, pinned by its roots and, where given, by the policy of its stamps.

    `check` raises what `anchor.ledgers.ledger.Voucher` says.
    """

    name: str
    roots: Sequence[Certificate]
    policy: ObjectIdentifier | None = None
    kind: str = KIND

    def check(self, note: bytes, receipt: bytes) -> Stamp:
        """What a TimeStampResp (DER, whole) shows of exactly this checkpoint's bytes."""
        return self.check_answer(note, receipt, None)

    def check_answer(self, note: bytes, receipt: bytes, nonce: int | None) -> Stamp:
        """Check the same, and that it answers the request that had this nonce."""
        response = _decoded(receipt)
        _check_granted(response)
        _check_imprint(response, note)
        if nonce is not None and response.tst_info.nonce != nonce:
            raise Refused("it answers another request: the nonce is not the one that was sent")
        if self.policy is not None and response.tst_info.policy != self.policy:
            stated = response.tst_info.policy.dotted_string
            raise Refused(f"it is under policy {stated}, pinned is {self.policy.dotted_string}")
        signer = self._signer(response, note)
        return Stamp(
            ledger=self.name,
            kind=KIND,
            time=_latest(response),
            voucher=f"the time-stamp authority {signer}",
            not_shown=_NOT_SHOWN,
            sources=self._sources(response, note),
        )

    def _signer(self, response: TimeStampResponse, note: bytes) -> str:
        """The name on the certificate under which it is signed, once that leads to a root."""
        builder = VerifierBuilder(roots=list(self.roots))
        try:
            builder.build().verify_message(response, note)
            return _name(response)
        except VerificationError as error:
            raise Refused(_reason(str(error), response)) from error
        except (Malformed, Refused):
            raise
        except Exception as error:  # a damaged certificate raises one of many kinds
            raise Malformed(f"a certificate in the time-stamp response: {error}") from error

    def _sources(self, response: TimeStampResponse, note: bytes) -> tuple[str, ...]:
        """Every key that could have made it: of a pinned root, of a certificate inside.

        By their hashes: a root that is renewed keeps its key, and a key may have several roots.
        """
        alone = [root for root in self.roots if _leads_to([root], response, note)]
        # Several of them make the way, an intermediate among them: then all are a source.
        inside = map(load_der_x509_certificate, response.signed_data.certificates)
        return tuple(sorted({_key(one) for one in (*(alone or self.roots), *inside)}))


def _leads_to(roots: list[Certificate], response: TimeStampResponse, note: bytes) -> bool:
    try:
        VerifierBuilder(roots=roots).build().verify_message(response, note)
    except VerificationError:
        return False
    return True


def _key(certificate: Certificate) -> str:
    """The hash of its SubjectPublicKeyInfo (RFC 5280); of all of it where that is not read."""
    try:
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (UnsupportedAlgorithm, ValueError):
        return f"certificate {certificate.fingerprint(SHA256()).hex()}"
    return f"key {sha256(key).hexdigest()}"


def _decoded(receipt: bytes) -> TimeStampResponse:
    if len(receipt) > MAX_RESPONSE:
        raise Malformed(f"a time-stamp response of {len(receipt)} bytes")
    try:
        ordered = with_sorted_certificates(receipt)
        response = decode_timestamp_response(ordered)
        whole = response.as_bytes()
    except ValueError as error:
        raise Malformed(f"no time-stamp response (RFC 3161): {error}") from error
    if whole != ordered:
        raise Malformed("no time-stamp response (RFC 3161): it is not in DER")
    return response


def _check_granted(response: TimeStampResponse) -> None:
    if response.status == PKIStatus.GRANTED:
        return
    try:
        status = PKIStatus(response.status).name.lower().replace("_", " ")
    except ValueError:
        status = f"status {response.status}"
    said = "; ".join(response.status_string)
    raise NotGranted(f"the authority did not grant a stamp: {status}{f' ({said})' if said else ''}")


def _check_imprint(response: TimeStampResponse, note: bytes) -> None:
    try:
        imprint = response.tst_info.message_imprint
    except ValueError as error:
        raise Malformed(f"a time-stamp response without a stamp: {error}") from error
    algorithm = _HASHES.get(imprint.hash_algorithm.dotted_string)
    if algorithm is None:
        raise Refused(f"it stamps a hash of kind {imprint.hash_algorithm.dotted_string}")
    if algorithm(note).digest() != imprint.message:
        raise Refused("it stamps something else than this checkpoint")


def _latest(response: TimeStampResponse) -> int:
    """The latest moment that the stamp allows, in whole seconds."""
    info = response.tst_info
    # The library drops what is after the point: a whole second, where there is any.
    fraction = info.gen_time.strftime("%Y%m%d%H%M%S.").encode() in response.as_bytes()
    spread = timedelta(seconds=fraction)
    if info.accuracy is not None:
        spread += timedelta(
            seconds=info.accuracy.seconds or 0,
            milliseconds=info.accuracy.millis or 0,
            microseconds=info.accuracy.micros or 0,
        )
    return _whole_seconds(info.gen_time + spread)


def _whole_seconds(moment: datetime) -> int:
    return int(moment.timestamp()) + (moment.microsecond > 0)


def _name(response: TimeStampResponse) -> str:
    signed = response.signed_data
    (signer,) = signed.signer_infos
    if (signed.version, signer.version) != _VERSIONS:
        raise Malformed("a signature of another version than RFC 3161 asks for")
    found = {
        certificate.subject.rfc4514_string()
        for certificate in map(load_der_x509_certificate, signed.certificates)
        if (certificate.issuer, certificate.serial_number) == (signer.issuer, signer.serial_number)
    }
    if len(found) != 1:
        raise Refused("it holds several certificates under its signer's number")
    return found.pop()


def _reason(error: str, response: TimeStampResponse) -> str:
    """One sentence of what the library, or OpenSSL below it, says."""
    chain = _CHAIN.search(error)
    if chain is None and "signer certificate not found" in error:
        return "it holds no certificate of its signer"
    if chain is None and ("signature failure" in error or "digest failure" in error):
        return "its signature does not hold: it was changed, or is not the authority's"
    if chain is None:
        return error.partition(": ErrorStack")[0].rstrip(".").lower()
    why = chain[1].strip()
    if any(word in why for word in _EXPIRED):
        stated = response.tst_info.gen_time.strftime("%Y-%m-%d %H:%M:%S UTC")
        return f"at the time that it states, {stated}, a certificate of it was not valid: {why}"
    if "purpose" in why:
        return f"its certificate is not for time-stamping: {why}"
    return f"its certificate does not lead to a pinned root: {why}"
