"""Makes a real device's two keys, and what its operator needs to enrol them.

    python examples/real_device_request.py m1 FOLDER

The keys stay in FOLDER. FOLDER/m1.request goes to the operator (`factoryledger device enrol m1
--csr m1.request`), who sends back a certificate, m1.crt, and the authority's, ca.crt.
"""

import os
import sys
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

name, home = sys.argv[1], Path(sys.argv[2])
signer, tls = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
for key, file in ((signer, "signer.key"), (tls, f"{name}.key")):
    descriptor = os.open(home / file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as made:
        made.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

# The key that signs readings: its entry, without the operator's signature (docs/formats.md).
now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
public = b64encode(signer.public_key().public_bytes_raw()).decode()
entry = f"factoryledger key entry v1\nenrol device {name}\ntime {now}\nkey {public}\n"
possession = b64encode(signer.sign(b"factoryledger/possession/v1\x00" + entry.encode())).decode()

# The key that opens the broker: an ordinary certificate request; openssl makes the same.
subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(tls, SHA256())
said = f"{entry}possession {possession}\n".encode() + request.public_bytes(Encoding.PEM)
(home / f"{name}.request").write_bytes(said)
