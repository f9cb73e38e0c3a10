"""The proof file: form only, one spelling, no extra member."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.errors import Malformed
from anchor.proof_file import IncludedEntry, ProofFile
from anchor.stamped import Receipt, StampedCheckpoint
from anchor.tlog_proof import TlogProof

hashes = st.binary(min_size=32, max_size=32)
paths = st.lists(hashes, max_size=4).map(tuple)
octets = st.text(st.characters(codec="utf-8"), max_size=30).map(str.encode)
proofs = st.builds(TlogProof, st.integers(0, 2**63 - 1), paths, octets.map(lambda c: c + b"\n"))
included = st.builds(IncludedEntry, octets, st.integers(0, 2**63 - 1), paths)
receipts = st.builds(
    Receipt, st.from_regex("[a-z0-9-]{1,32}", fullmatch=True), st.just("tsr"), st.binary()
)
some = st.lists(receipts, min_size=1, max_size=2).map(tuple)
stamped = st.builds(StampedCheckpoint, octets, paths, some) | st.builds(
    StampedCheckpoint, st.none(), st.just(()), some
)
files = st.builds(
    ProofFile,
    payload=st.none() | st.binary(max_size=50),
    record=octets,
    message_proof=proofs,
    checkpoint_proof=proofs,
    keys=st.lists(included, max_size=3).map(tuple),
    cited=st.none() | octets,
    stamped=st.lists(stamped, max_size=2).map(tuple),
)
FILE = ProofFile(
    payload=b"\xff payload",
    record=b'{"record":1}',
    message_proof=TlogProof(3, (bytes(32),), "\u2014 c\n".encode()),
    checkpoint_proof=TlogProof(0, (), b"d\n"),
    keys=(IncludedEntry(b"entry\n", 1, (bytes(32), bytes(32))), IncludedEntry(b"e", 0, ())),
    cited=b"cited\n",
)
DATA = FILE.to_bytes()


@settings(deadline=None)
@given(files)
def test_files_are_read_as_they_were_written(proof):
    assert ProofFile.from_bytes(proof.to_bytes()) == proof


def test_the_form_is_the_format_s():
    zero = "A" * 43 + "="
    assert DATA.decode() == (
        '{"factoryledger":"proof","version":1,"payload":"/yBwYXlsb2Fk","record":"{\\"record\\":1}",'
        f'"message_proof":"c2sp.org/tlog-proof@v1\\nindex 3\\n{zero}\\n\\n\\u2014 c\\n",'
        '"checkpoint_proof":"c2sp.org/tlog-proof@v1\\nindex 0\\n\\nd\\n",'
        f'"keys":[{{"entry":"entry\\n","index":1,"path":["{zero}","{zero}"]}},'
        '{"entry":"e","index":0,"path":[]}],"cited":"cited\\n"}\n'
    )
    json.loads(DATA)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"version":1', '"version":2'),
        ('"version":1', '"version":1.0'),
        ('"version":1', '"version":true'),
        ('"proof"', '"recording"'),
        ('"payload":"/yBwYXlsb2Fk"', '"payload":"_yBwYXlsb2Fk"'),
        ('"payload":"/yBwYXlsb2Fk"', '"payload":1'),
        ('"payload":"/yBwYXlsb2Fk"', '"payload":[]'),
        ('"payload":"/yBwYXlsb2Fk",', ""),
        ('"cited":"cited\\n"', '"cited":7'),
        ('"cited":"cited\\n"', '"cited":"\\ud800"'),
        ('"cited":"cited\\n"', '"cited":"cited\\u000a"'),
        ('"cited":"cited\\n"', '"cited":"cited\\n","extra":1'),
        ('"cited":"cited\\n"', '"cited":"cited\\n","cited":"cited\\n"'),
        ('"record":"{\\"record\\":1}",', '"record":null,'),
        ('"record":"{\\"record\\":1}",', '"record":{"record":1},'),
        ('"record"', '"r\\u0065cord"'),
        ('"keys":[', '"keys":null,"x":['),
        ('"keys":[', '"keys":[1,'),
        ('"keys":[', '"keys":[[],'),
        ('"index":1', '"index":-1'),
        ('"index":1', '"index":1.0'),
        ('"index":1', '"index":true'),
        ('"index":1', '"index":01'),
        ('"index":1', '"index":"1"'),
        ('"index":1', '"index":' + "1" * 5000),
        ('"index":1', '"index":9223372036854775808'),
        ("tlog-proof@v1\\nindex 3", "tlog-proof@v1\\nextra eA==\\nindex 3"),
        ("tlog-proof@v1\\nindex 0", "tlog-proof@v1\\nextra \\nindex 0"),
        ('"path":[]', '"path":["AAAA"]'),
        ('"path":[]', '"path":{}'),
        ('"path":[]', '"path":""'),
        ('"path":[]', '"path":[null]'),
        ('"path":[]', '"path":[],"more":0'),
        ('"message_proof":"c2sp', '"message_proof":"C2sp'),
        ("\\u2014", "\u2014"),
        (":", ": "),
        (",", ", "),
        ("}\n", "}"),
        ("}\n", "}\n\n"),
        ("}\n", "}\r\n"),
        ('{"factory', ' {"factory'),
    ],
)
def test_other_spellings_are_malformed(old, new):
    assert old in DATA.decode()
    with pytest.raises(Malformed):
        ProofFile.from_bytes(DATA.decode().replace(old, new).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null\n",
        b"[]\n",
        b"{}\n",
        b'{"factoryledger":"proof","version":1}\n',
        b"NaN\n",
        b"[" * 100_000,
        b'{"factoryledger":' * 100_000,
        b"\xff" + DATA,
        b"\xef\xbb\xbf" + DATA,
        DATA[:-20],
        DATA + DATA,
    ],
)
def test_garbage_is_malformed(data):
    with pytest.raises(Malformed):
        ProofFile.from_bytes(data)


def test_any_changed_byte_is_malformed_or_another_meaning():
    for at in range(len(DATA)):
        changed = bytearray(DATA)
        changed[at] ^= 1
        try:
            proof = ProofFile.from_bytes(bytes(changed))
        except Malformed:
            continue
        assert proof != FILE
        assert proof.to_bytes() == bytes(changed)
