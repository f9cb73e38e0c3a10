"""Ed25519 by RFC 8032; weak keys refused; a payload is its body and one suffix."""

import base64
import hashlib

import nacl.bindings
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.errors import WeakKey
from telemetry.signature import (
    SUFFIX_LENGTH,
    SigningKey,
    body_hash,
    check_public_key,
    key_id,
    seal,
    signed_bytes,
    split,
    verify,
)
from telemetry.topic import SIGNED_KINDS, MachineTopic

TOPIC = MachineTopic("prefix", "ent", "site", "area", "line", "mill-1", "telemetry")

# RFC 8032 section 7.1, TEST 1 to 3: secret, public, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]

# The curve, by RFC 8032 section 5.1, to find its small points without any library.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    product = D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, P)
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, P)
    return x % P, y % P


def times(number, point):
    total = (0, 1)
    while number:
        if number & 1:
            total = add(total, point)
        point = add(point, point)
        number >>= 1
    return total


def point_of(y):
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    return (x, y) if x * x % P == square else None


def encode(x, y):
    return (y | (x & 1) << 255).to_bytes(32, "little")


def small_points():
    """All eight points whose order divides 8: what L leaves of a point of full order."""
    for y in range(2, 100):
        point = point_of(y)
        small = times(L, point) if point else None
        if small and times(4, small) != (0, 1):
            return [times(n, small) for n in range(8)]
    raise AssertionError


SMALL = small_points()
# Encodings of y that no encoder gives: y + p still fits 255 bits for y below 19.
NOT_CANONICAL = [
    (y + P | sign << 255).to_bytes(32, "little") for y in range(19) for sign in (0, 1)
] + [encode(1, 1), encode(1, P - 1)]


@pytest.mark.parametrize(("secret", "public", "message", "signature"), RFC_8032)
def test_rfc_8032_vectors(secret, public, message, signature):
    key = SigningKey.from_seed(bytes.fromhex(secret))
    assert key.public_key.hex() == public
    assert key.sign(bytes.fromhex(message)).hex() == signature
    assert verify(key.public_key, bytes.fromhex(message), bytes.fromhex(signature))
    check_public_key(key.public_key)


def test_the_small_points_are_eight_and_right():
    assert len(set(SMALL)) == 8
    assert all(times(8, point) == (0, 1) for point in SMALL)
    # What RFC 8032's own arithmetic says of the base point, to trust it above.
    base = point_of(4 * pow(5, -1, P) % P)
    assert times(L, base) == (0, 1)


@pytest.mark.parametrize("point", SMALL)
def test_keys_of_small_order_are_refused(point):
    with pytest.raises(WeakKey, match="small order"):
        check_public_key(encode(*point))


@pytest.mark.parametrize("key", NOT_CANONICAL)
def test_encodings_that_no_encoder_gives_are_refused(key):
    with pytest.raises(WeakKey, match="not canonical"):
        check_public_key(key)


def test_what_is_no_point_or_no_key_is_refused():
    y = next(y for y in range(2, 100) if point_of(y) is None)
    with pytest.raises(WeakKey, match="no point"):
        check_public_key(encode(0, y))
    for length in (0, 31, 33, 64):
        with pytest.raises(WeakKey, match="32 bytes"):
            check_public_key(bytes(length))


@settings(max_examples=25)
@given(st.binary(min_size=32, max_size=32))
def test_checking_a_key_agrees_with_libsodium(encoded):
    # libsodium refuses beside what we do points outside of the main subgroup.
    good = nacl.bindings.crypto_core_ed25519_is_valid_point(encoded)
    try:
        check_public_key(encoded)
    except WeakKey:
        assert not good
    y = int.from_bytes(encoded, "little") & (2**255 - 1)
    assert good == (
        y < P and (p := point_of(y)) is not None and p[0] != 0 and times(L, p) == (0, 1)
    )


@pytest.mark.parametrize("point", SMALL)
def test_nobody_can_sign_for_a_key_of_small_order(point):
    scalar = (8 * 12345).to_bytes(32, "little")
    commitment = nacl.bindings.crypto_scalarmult_ed25519_base_noclamp(scalar)
    # Where the hash is a multiple of 8 (always, for the neutral point) S·B = R + h·A holds.
    for n in range(64):
        message = n.to_bytes(1, "little")
        digest = hashlib.sha512(commitment + encode(*point) + message).digest()
        h = int.from_bytes(digest, "little") % L
        if times(h, point) == (0, 1):
            assert not verify(encode(*point), message, commitment + scalar)
            return
    raise AssertionError


def test_a_signature_has_one_spelling():
    key = SigningKey.from_seed(bytes(32))
    signature = key.sign(b"message")
    scalar = int.from_bytes(signature[32:], "little")
    assert not verify(
        key.public_key, b"message", signature[:32] + (scalar + L).to_bytes(32, "little")
    )


@pytest.mark.parametrize(("key", "signature"), [(31, 64), (33, 64), (32, 63), (32, 65), (0, 0)])
def test_wrong_lengths_do_not_verify(key, signature):
    assert not verify(bytes(key), b"", bytes(signature))


@given(st.binary(max_size=100), st.integers(0, 64 * 8 - 1))
def test_a_flipped_bit_does_not_verify(message, bit):
    key = SigningKey.from_seed(bytes(32))
    signature = bytearray(key.sign(message))
    assert verify(key.public_key, message, bytes(signature))
    signature[bit // 8] ^= 1 << bit % 8
    assert not verify(key.public_key, message, bytes(signature))


def test_a_key_hides_its_seed_and_has_an_id():
    key = SigningKey.from_seed(bytes(range(32)))
    assert key.seed == bytes(range(32))
    assert key.seed.hex() not in repr(key)
    assert key.key_id == key_id(key.public_key) == hashlib.sha256(key.public_key).hexdigest()[:16]
    assert SigningKey.generate().seed != SigningKey.generate().seed
    with pytest.raises(ValueError, match="32 bytes"):
        SigningKey.from_seed(bytes(31))


@pytest.mark.parametrize("kind", SIGNED_KINDS)
def test_each_kind_signs_under_a_tag_of_its_own_without_the_prefix(kind):
    signed = signed_bytes(TOPIC.with_kind(kind), b'{"a":1')
    assert signed == b'factoryledger/%b/v1\0ent/site/area/line/mill-1/%b\0{"a":1' % (
        kind.encode(),
        kind.encode(),
    )


@pytest.mark.parametrize("kind", ["death", "receipt"])
def test_other_kinds_are_not_signed(kind):
    with pytest.raises(ValueError, match="not signed"):
        signed_bytes(TOPIC.with_kind(kind), b"{")


@given(st.binary(max_size=100))
def test_a_sealed_payload_splits_into_body_and_signature(body):
    key = SigningKey.from_seed(bytes(32))
    payload = seal(key, TOPIC, body)
    found, signature = split(payload)
    assert (found, len(payload)) == (body, len(body) + SUFFIX_LENGTH)
    raw = base64.b64decode(signature, validate=True)
    assert verify(key.public_key, signed_bytes(TOPIC, body), raw)
    assert body_hash(body) == hashlib.sha256(body).digest()


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b'"sig":"' + b"A" * 88 + b'"}',
        b',"sig":"' + b"A" * 87 + b'"}',
        b',"sig":"' + b"A" * 87 + b'-"}',
        b',"sig":"' + b"A" * 87 + b'""}',
        b',"sig":"' + b"A" * 88 + b'"} ',
        b',"sig":"' + b"A" * 88 + b'"}}',
        b',"sig": "' + b"A" * 88 + b'"}',
        b',"Sig":"' + b"A" * 88 + b'"}',
    ],
)
def test_what_lacks_the_suffix_is_unsigned(payload):
    assert split(payload) is None


def test_the_suffix_alone_is_a_signed_empty_body():
    assert split(b',"sig":"' + b"=" * 88 + b'"}') == (b"", b"=" * 88)
