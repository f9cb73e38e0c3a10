"""What TLS says where one side will not have the other's certificate, in words that help. Pure.

OpenSSL's names of alerts (RFC 8446, section 6.2) begin differently from release to release, so
their ends are what counts.
"""

import ssl
from typing import Final

from telemetry.errors import BrokerUnavailable, ShutOut

_ALERTS: Final = {
    "ALERT_CERTIFICATE_REVOKED": "its certificate is revoked",
    "ALERT_CERTIFICATE_EXPIRED": "its certificate has expired, or is not valid yet",
    "ALERT_CERTIFICATE_REQUIRED": "it shows no certificate",
    "ALERT_CERTIFICATE_UNKNOWN": "its certificate is not one that the broker takes",
    "ALERT_BAD_CERTIFICATE": "its certificate is not one that the broker takes",
    "ALERT_UNKNOWN_CA": "its certificate is of an authority that the broker does not know",
}
_EXPIRED: Final = 10  # X509_V_ERR_CERT_HAS_EXPIRED


def certificate_trouble(where: str, error: BaseException | None) -> BrokerUnavailable | None:
    """Give what an error says about certificates; None where it says nothing of them.

    ShutOut where the broker refuses the client's, else it is the broker's that does not hold.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return BrokerUnavailable(f"{where}: {_of_the_broker(error)}")
    if isinstance(error, ssl.SSLError):
        for alert, said in _ALERTS.items():
            if (error.reason or "").endswith(alert):
                return ShutOut(f"{where} shuts this client out: {said}")
    return None


def _of_the_broker(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _EXPIRED:
        return (
            "the broker's certificate has expired: renew it (`factoryledger init --broker-host "
            "NAME`) and let the broker read it again (SIGHUP)"
        )
    return (
        f"the broker's certificate does not hold ({error.verify_message}): is the address one of "
        "its names, and the authority its own?"
    )
