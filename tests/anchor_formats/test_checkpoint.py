"""Checkpoints and cosignatures: who signed which head, and when."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from anchor.cosignature import check_cosignature, cosign, cosigned_message
from anchor.errors import Malformed, Refused
from anchor.merkle import EMPTY_ROOT
from anchor.note import ML_DSA_44, Note, Signature, SignerKey, sign_note
from telemetry.canonical import b64

HEAD = Checkpoint("example.org/log", 20852163, bytes(range(32)))
TEXT = HEAD.to_text()
ROOT = b64(HEAD.root)


def test_a_checkpoint_is_three_lines():
    assert f"example.org/log\n20852163\n{ROOT}\n" == TEXT
    assert Checkpoint.from_text(TEXT) == HEAD


@settings(deadline=None)
@given(
    st.text(st.characters(min_codepoint=32, codec="utf-8"), min_size=1, max_size=30),
    st.integers(1, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
)
def test_checkpoints_are_read_as_they_were_written(origin, size, root):
    head = Checkpoint(origin, size, root)
    assert Checkpoint.from_text(head.to_text()) == head


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT[:-1],
        TEXT + "\n",
        TEXT + "extension\n",
        "\n" + TEXT,
        TEXT.replace("20852163", "020852163"),
        TEXT.replace("20852163", "+20852163"),
        TEXT.replace("20852163", "-1"),
        TEXT.replace("20852163", ""),
        TEXT.replace("20852163", "2085216\u0663"),
        TEXT.replace("20852163", "9223372036854775808"),
        TEXT.replace("20852163", "1" * 5000),
        TEXT.replace("20852163", " 20852163"),
        TEXT.replace("20852163", "0"),
        TEXT.replace("20852163", "00"),
        TEXT.replace("example.org/log", ""),
        TEXT.replace("example.org/log", "example\torg"),
        TEXT.replace(ROOT, ROOT.rstrip("=")),
        TEXT.replace(ROOT, ROOT[:-2] + "9="),
        TEXT.replace(ROOT, b64(bytes(31))),
        TEXT.replace(ROOT, b64(bytes(33))),
        TEXT.replace(ROOT, ROOT + " "),
        TEXT.replace(ROOT, ""),
    ],
)
def test_other_spellings_are_malformed(text):
    with pytest.raises(Malformed):
        Checkpoint.from_text(text)


def test_the_empty_tree_has_its_root():
    assert Checkpoint.from_text(f"o\n0\n{b64(EMPTY_ROOT)}\n").size == 0
    with pytest.raises(Malformed, match="empty tree"):
        Checkpoint("o", 0, bytes(32))


def test_a_log_signs_its_own_heads_only(log_key):
    note = sign_checkpoint(HEAD, log_key)
    assert open_checkpoint(note, log_key.verifier) == HEAD
    with pytest.raises(ValueError, match="does not sign for origin"):
        sign_checkpoint(Checkpoint("example.org/x", 1, bytes(32)), log_key)
    elsewhere = sign_note(Checkpoint("example.org/x", 1, bytes(32)).to_text(), log_key)
    with pytest.raises(Refused, match="not of"):
        open_checkpoint(elsewhere, log_key.verifier)
    assert open_checkpoint(elsewhere, log_key.verifier, origin="example.org/x").size == 1


def test_extension_lines_are_malformed_though_signed(log_key):
    """C2SP allows them and advises against; no auditor can check what they say."""
    note = sign_note(TEXT + "extension\n", log_key)
    with pytest.raises(Malformed, match="no extensions"):
        open_checkpoint(note, log_key.verifier)


@settings(deadline=None)
@given(st.data())
def test_a_changed_byte_of_a_checkpoint_is_refused(data):
    key = SignerKey.from_seed("example.org/log", bytes([1]) * 32)
    changed = bytearray(sign_checkpoint(HEAD, key))
    at = data.draw(st.integers(0, len(changed) - 1))
    changed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises((Malformed, Refused)):
        open_checkpoint(bytes(changed), key.verifier)


def test_the_signed_message_is_the_specification_s(witness_keys):
    """Written out from C2SP tlog-cosignature, independent of the code."""
    ed25519, _, pq = witness_keys
    assert cosigned_message(ed25519.verifier, TEXT, 1679315147) == (
        b"cosignature/v1\ntime 1679315147\n" + TEXT.encode()
    )
    assert cosigned_message(pq.verifier, TEXT, 1679315147) == (
        b"subtree/v1\n\x00"
        b"\x12witness.example/pq"
        + (1679315147).to_bytes(8, "big")
        + b"\x0fexample.org/log"
        + bytes(8)
        + (20852163).to_bytes(8, "big")
        + HEAD.root
    )


@pytest.mark.parametrize("which", [0, 2])
def test_a_cosignature_says_when(log_key, witness_keys, which):
    key = witness_keys[which]
    note = Note.from_bytes(sign_checkpoint(HEAD, log_key))
    assert check_cosignature(note, key.verifier) is None
    signed = note.with_signatures(cosign(key, note.text, 1679315147))
    assert check_cosignature(Note.from_bytes(signed.to_bytes()), key.verifier) == 1679315147
    assert check_cosignature(signed, witness_keys[1].verifier) is None


@pytest.mark.parametrize("which", [0, 2])
def test_a_cosignature_that_was_touched_is_refused(log_key, witness_keys, which):
    key = witness_keys[which]
    note = Note.from_bytes(sign_checkpoint(HEAD, log_key))
    good = cosign(key, note.text, 1679315147).value
    later = (1679315148).to_bytes(8, "big") + good[8:]
    beyond = b"\x80" + good[1:]
    lengths = (good[:-1], good + b"\0", good[:8], good[:7], b"x")
    for value in (later, beyond, bytes(len(good)), *lengths):
        bad = note.with_signatures(Signature(key.name, key.verifier.id, value))
        with pytest.raises(Refused):
            check_cosignature(bad, key.verifier)
    other = Note.from_bytes(sign_checkpoint(Checkpoint(HEAD.origin, 5, bytes(32)), log_key))
    moved = other.with_signatures(Signature(key.name, key.verifier.id, good))
    with pytest.raises(Refused):
        check_cosignature(moved, key.verifier)


@pytest.mark.parametrize("which", [0, 2])
def test_a_time_beyond_the_specification_s_is_refused_though_signed(log_key, witness_keys, which):
    """C2SP tlog-cosignature: timestamps MUST NOT exceed 2^63-1."""
    key, time = witness_keys[which], 2**63
    note = Note.from_bytes(sign_checkpoint(HEAD, log_key))
    signed = key.raw.sign(cosigned_message(key.verifier, note.text, time))
    line = Signature(key.name, key.verifier.id, time.to_bytes(8, "big") + signed)
    with pytest.raises(Refused, match="beyond"):
        check_cosignature(note.with_signatures(line), key.verifier)


def test_one_cosigner_twice_is_refused(log_key, witness_keys):
    key = witness_keys[0]
    text = HEAD.to_text()
    note = Note(text, (log_key.sign(text), cosign(key, text, 5), cosign(key, text, 9)))
    with pytest.raises(Refused, match="2 signatures"):
        check_cosignature(note, key.verifier)


def test_a_log_may_sign_by_ml_dsa():
    """C2SP tlog-checkpoint: logs SHOULD use ML-DSA-44 cosignatures."""
    key = SignerKey.from_seed("example.org/log", bytes([7]) * 32, ML_DSA_44)
    note = Note(TEXT, (cosign(key, TEXT, 0),)).to_bytes()
    assert open_checkpoint(note, key.verifier) == HEAD
    with pytest.raises(Refused, match="not signed"):
        open_checkpoint(sign_checkpoint(HEAD, SignerKey.generate(HEAD.origin)), key.verifier)


def test_only_cosigners_cosign_and_only_checkpoints(log_key, witness_keys):
    with pytest.raises(ValueError, match="not a cosigner"):
        cosign(log_key, TEXT, 1)
    with pytest.raises(ValueError, match="seconds"):
        cosign(witness_keys[0], TEXT, -1)
    with pytest.raises(ValueError, match="seconds"):
        cosign(witness_keys[0], TEXT, 2**63)
    with pytest.raises(Malformed):
        cosign(witness_keys[0], "no checkpoint\n", 1)
    with pytest.raises(Malformed, match="255"):
        cosign(witness_keys[2], Checkpoint("o" * 256, 1, bytes(32)).to_text(), 1)
