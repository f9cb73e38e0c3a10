"""Notes and keys: one spelling, and nothing read that would not be written."""

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.errors import Malformed, Refused
from anchor.note import (
    COSIGNATURE,
    ECDSA,
    ED25519,
    MAX_NOTE,
    ML_DSA_44,
    Note,
    Signature,
    SignerKey,
    VerifierKey,
    sign_note,
)
from telemetry.canonical import b64

KEY = SignerKey.from_seed("example.org/log", bytes([1]) * 32)
OTHER = SignerKey.from_seed("example.org/other", bytes([9]) * 32)
SIGNED = sign_note("a text\n", KEY)

names = st.text(
    st.characters(min_codepoint=33, codec="utf-8", exclude_characters="+").filter(
        lambda c: not c.isspace()
    ),
    min_size=1,
    max_size=20,
)
texts = st.text(st.characters(min_codepoint=32, codec="utf-8") | st.just("\n"), max_size=80).map(
    lambda text: text + "\n"
)
signatures = st.builds(
    Signature, names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80)
)


@settings(deadline=None)
@given(texts, st.lists(signatures, min_size=1, max_size=5))
def test_a_note_is_read_as_it_was_written(text, lines):
    note = Note(text, tuple(lines))
    assert Note.from_bytes(note.to_bytes()) == note


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_whatever_is_read_is_written_the_same(data):
    try:
        note = Note.from_bytes(data)
    except Malformed:
        return
    assert note.to_bytes() == data


@settings(deadline=None)
@given(st.data())
def test_a_changed_byte_is_refused(data):
    """Any one byte of a signed note, changed to any other."""
    at = data.draw(st.integers(0, len(SIGNED) - 1))
    changed = bytearray(SIGNED)
    changed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises((Malformed, Refused)):
        Note.from_bytes(bytes(changed)).signed_by(KEY.verifier)


LINE = SIGNED.split(b"\n\n")[1]
BASE64 = LINE.split(b" ")[2].strip()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"a text\n",
        b"a text\n\n",
        b"\n\n" + LINE.replace(b"\n", b""),
        SIGNED[:-1],
        SIGNED + b"\n",
        SIGNED + b"more\n",
        SIGNED + b" ",
        SIGNED.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + SIGNED[:5] + b"\x00" + SIGNED[5:],
        SIGNED.replace(b"a text", b"a\ttext"),
        SIGNED.replace(b"a text", b"a\x1ftext"),
        SIGNED.replace(b"a text", b"a\xfftext"),
        SIGNED.replace(b"a text", b"a\xed\xa0\x80text"),
        SIGNED.replace("\u2014".encode(), b"-"),
        SIGNED.replace("\u2014 ".encode(), "\u2014".encode()),
        SIGNED.replace("\u2014 ".encode(), "\u2014  ".encode()),
        SIGNED.replace(b"org/log ", b"org/log  "),
        SIGNED.replace(b"org/log ", b"org/log+ "),
        SIGNED.replace(b"org/log ", "org/log\u00a0 ".encode()),
        SIGNED.replace(b"org/log ", "org/log\u3000 ".encode()),
        SIGNED.replace(b"org/log ", "org/log\u0085 ".encode()),
        SIGNED.replace(b"org/log ", "org/log\u2028 ".encode()),
        SIGNED.replace(b"example.org/log ", b" "),
        SIGNED.replace(BASE64, BASE64.rstrip(b"=")),
        SIGNED.replace(BASE64, BASE64 + b" "),
        SIGNED.replace(BASE64, BASE64[:8] + b" " + BASE64[8:]),
        SIGNED.replace(BASE64, BASE64[:-3].replace(b"/", b"_").replace(b"+", b"-") + b"-=="),
        SIGNED.replace(BASE64, b"AAAA"),
        SIGNED.replace(BASE64, b"AAAAAA=="),
        SIGNED.replace(BASE64, b""),
        b"a text\n\n" + LINE * 65,
        b"a" * MAX_NOTE + SIGNED,
    ],
)
def test_what_no_note_holds_is_malformed(data):
    with pytest.raises(Malformed):
        Note.from_bytes(data)


def test_unused_bits_of_base64_are_malformed():
    """Python's decoder lets them be anything, so two spellings would decode to one value."""
    note = Note("t\n", (Signature("k", b"1234", b"5"),)).to_bytes()
    assert note.endswith(b"MTIzNDU=\n")
    with pytest.raises(Malformed, match="canonical"):
        Note.from_bytes(note.replace(b"MTIzNDU=", b"MTIzNDV="))


def test_up_to_64_signatures_are_read():
    assert len(Note.from_bytes(b"a text\n\n" + LINE * 64).signatures) == 64


def test_the_text_ends_at_the_last_empty_line():
    note = sign_note("one\n\n\u2014 fake QUJDREVG\n\ntwo\n\n", KEY)
    assert Note.from_bytes(note).text == "one\n\n\u2014 fake QUJDREVG\n\ntwo\n\n"
    Note.from_bytes(note).signed_by(KEY.verifier)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("no newline", [Signature("k", b"1234", b"5")]),
        ("tab\t\n", [Signature("k", b"1234", b"5")]),
        ("t\n", []),
        ("t\n", [Signature("k", b"123", b"5")]),
        ("t\n", [Signature("k", b"1234", b"")]),
        ("t\n", [Signature("k k", b"1234", b"5")]),
        ("t\n", [Signature("", b"1234", b"5")]),
    ],
)
def test_what_could_not_be_read_is_not_written(text, lines):
    with pytest.raises(Malformed):
        Note(text, tuple(lines))


def test_a_signature_counts_for_its_key_only():
    note = Note.from_bytes(SIGNED)
    assert note.signed_by(KEY.verifier).name == "example.org/log"
    with pytest.raises(Refused, match="not signed by"):
        note.signed_by(OTHER.verifier)
    # The same name with another key, and the same key under another name, are other keys.
    with pytest.raises(Refused, match="not signed by"):
        note.signed_by(SignerKey.from_seed(KEY.name, bytes(32)).verifier)
    with pytest.raises(Refused, match="not signed by"):
        note.signed_by(VerifierKey("example.org/x", ED25519, KEY.public_key))


def test_a_known_key_that_fails_is_refused_even_beside_others():
    bad = Signature(KEY.name, KEY.verifier.id, bytes(64))
    note = Note.from_bytes(SIGNED).with_signatures(OTHER.sign("a text\n"), bad)
    with pytest.raises(Refused, match="does not hold"):
        note.signed_by(KEY.verifier)
    note.signed_by(OTHER.verifier)


def test_two_lines_by_one_key_are_refused():
    """Which of two cosignatures counts must not be the reader's choice."""
    note = Note("a text\n", (KEY.sign("a text\n"), KEY.sign("a text\n")))
    with pytest.raises(Refused, match="2 signatures"):
        note.signed_by(KEY.verifier)


def test_a_newer_signature_takes_the_place_of_the_older():
    note = Note.from_bytes(SIGNED).with_signatures(OTHER.sign("a text\n"))
    again = note.with_signatures(Signature(KEY.name, KEY.verifier.id, b"new"))
    assert [s.value for s in again.signatures] == [b"new", note.signatures[1].value]


def test_signing_is_deterministic():
    assert sign_note("x\n", KEY) == sign_note("x\n", SignerKey.from_text(KEY.to_text()))


@pytest.mark.parametrize("algorithm", [ED25519, COSIGNATURE, ML_DSA_44])
def test_keys_are_read_as_they_were_written(algorithm):
    key = SignerKey.generate("example.org/k", algorithm)
    assert VerifierKey.from_text(str(key.verifier)) == key.verifier
    assert SignerKey.from_text(key.to_text()).verifier == key.verifier
    assert SignerKey.generate("example.org/k", algorithm).to_text() != key.to_text()


def test_a_private_key_never_shows():
    assert "ICAg" not in repr(SignerKey.from_seed("k", b" " * 32))
    assert b64(bytes([1]) * 32)[:8] not in repr(KEY) + str(KEY)
    with pytest.raises(Malformed) as caught:
        SignerKey.from_text(KEY.to_text() + "=")
    assert b64(bytes([1]) * 32)[4:12] not in str(caught.value)


VKEY = str(KEY.verifier)
MATERIAL = VKEY.split("+", 2)[2]


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "example.org/log",
        "example.org/log+12345678",
        VKEY + "\n",
        " " + VKEY,
        VKEY.replace(KEY.verifier.id.hex(), KEY.verifier.id.hex().upper()),
        VKEY.replace(KEY.verifier.id.hex(), "00000000"),
        VKEY.replace("example.org/log", "example.org/lob"),
        VKEY.replace("example.org/log", ""),
        VKEY.replace("example.org/log", "example org"),
        VKEY + "=",
        VKEY.replace(MATERIAL, ""),
        VKEY.replace(MATERIAL, b64(b"\x01" + bytes(31))),
    ],
)
def test_a_vkey_of_another_spelling_is_malformed(vkey):
    with pytest.raises(Malformed):
        VerifierKey.from_text(vkey)


@pytest.mark.parametrize("algorithm", [ED25519, COSIGNATURE])
@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31), b"\xff" * 32])
def test_weak_keys_are_malformed(algorithm, point):
    """Keys of small order verify anything; encodings that are not canonical have twins."""
    with pytest.raises(Malformed, match="unusable"):
        VerifierKey("k", algorithm, point)


@pytest.mark.parametrize(("algorithm", "length"), [(0, 32), (3, 32), (5, 32), (255, 32), (6, 32)])
def test_unsupported_types_and_lengths_are_malformed(algorithm, length):
    with pytest.raises(Malformed):
        VerifierKey("k", algorithm, bytes(length))


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_ecdsa_notes_are_read(curve):
    private = ec.generate_private_key(curve)
    spki = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    key = VerifierKey("example.org/ecdsa", ECDSA, spki)
    assert VerifierKey.from_text(str(key)) == key
    value = private.sign(b"text\n", ec.ECDSA(hashes.SHA256()))
    note = Note("text\n", (Signature(key.name, key.id, value),))
    note.signed_by(key)
    with pytest.raises(Refused):
        Note("toxt\n", note.signatures).signed_by(key)


def test_another_spelling_of_an_ecdsa_key_is_malformed():
    """A compressed point has an id of its own: one log would pass for two in a policy."""
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    spki = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    encoding, form = serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
    point = public.public_bytes(encoding, form)
    whole = public.public_bytes(encoding, serialization.PublicFormat.UncompressedPoint)
    algorithm = spki[2 : -len(whole) - 3]
    body = algorithm + bytes([3, len(point) + 1, 0]) + point
    compressed = bytes([0x30, len(body)]) + body
    assert serialization.load_der_public_key(compressed) == public
    for other in (compressed, spki + b"\0"):
        with pytest.raises(Malformed):
            VerifierKey("example.org/ecdsa", ECDSA, other)
    assert VerifierKey("example.org/ecdsa", ECDSA, spki).public_key == spki


def test_other_curves_and_private_ecdsa_are_refused():
    for private in (ec.generate_private_key(ec.SECP256K1()), ed448.Ed448PrivateKey.generate()):
        spki = private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        with pytest.raises(Malformed):
            VerifierKey("k", ECDSA, spki)
    with pytest.raises(Malformed):
        VerifierKey("k", ECDSA, b"no key")
    with pytest.raises(Malformed, match="read only"):
        SignerKey.generate("k", ECDSA)


def test_a_cosigner_signs_no_plain_note():
    """A cosignature covers a time; the same key under a note's rule would say something else."""
    cosigner = SignerKey.generate("w", COSIGNATURE)
    with pytest.raises(ValueError, match="cosigner"):
        cosigner.sign("text\n")
    with pytest.raises(ValueError, match="cosigner"):
        Note.from_bytes(SIGNED).signed_by(cosigner.verifier)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PRIVATE+KEY+",
        KEY.to_text().removeprefix("PRIVATE+"),
        KEY.to_text() + "\n",
        KEY.to_text().replace("example.org/log", "example.org/lob"),
        KEY.to_text()[:-4],
        "PRIVATE+KEY+k+00000000+" + b64(b"\x02" + bytes(32)),
    ],
)
def test_a_private_key_of_another_spelling_is_malformed(text):
    with pytest.raises(Malformed):
        SignerKey.from_text(text)
