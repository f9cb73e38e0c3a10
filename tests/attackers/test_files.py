"""A hostile file for `verify`: exit code 1 or 2, and one line that no terminal obeys.

Bytes of a proof changed at random are `anchor_verify`'s; here is what a person would make.
"""

import gzip
import json

import pytest

DEEP = 100_000


def members(data):
    return json.loads(data)


def spelled(proof, **changes):
    """The proof with members replaced, in the spelling of ours."""
    return (json.dumps({**members(proof), **changes}, separators=(",", ":")) + "\n").encode()


HOSTILE = {
    "nothing": lambda proof: b"",
    "a byte": lambda proof: b"{",
    "deep arrays": lambda proof: b"[" * DEEP,
    "deep objects": lambda proof: b'{"a":' * DEEP,
    "a deep member": lambda proof: proof.replace(
        b'"cited":null', b'"cited":' + b"[" * DEEP + b"]" * DEEP
    ),
    "a name twice": lambda proof: proof.replace(b'{"', b'{"factoryledger":"proof","', 1),
    "a name twice in another spelling": lambda proof: proof.replace(
        b'{"', b'{"factory\\u006cedger":"proof","', 1
    ),
    "a name in another spelling": lambda proof: proof.replace(b'"payload"', b'"pa\\u0079load"'),
    "a look-alike of a name": lambda proof: proof.replace(b'"payload"', '"p\u0430yload"'.encode()),
    "a byte order mark": lambda proof: b"\xef\xbb\xbf" + proof,
    "UTF-16": lambda proof: proof.decode().encode("utf-16"),
    "CR LF": lambda proof: proof.replace(b"\n", b"\r\n"),
    "another version": lambda proof: spelled(proof, version=10**30),
    "a version that is no number": lambda proof: spelled(proof, version="\x1b[2J1"),
    "a number of a million digits": lambda proof: proof.replace(
        b'"version":1', b'"version":' + b"1" * 1_000_000
    ),
    "NaN": lambda proof: proof.replace(b'"version":1', b'"version":NaN'),
    "a kind that clears the screen": lambda proof: spelled(
        proof, factoryledger="\x1b[2J\nproof: valid\n"
    ),
    "another log's name that clears the screen": lambda proof: spelled(
        proof,
        checkpoint_proof=members(proof)["checkpoint_proof"].replace(
            "factoryledger.local", "\x1b]0;valid\x07"
        ),
    ),
    "an index of 2^63": lambda proof: spelled(
        proof,
        message_proof=_index(members(proof)["message_proof"], 2**63),
    ),
    "an index of a thousand digits": lambda proof: spelled(
        proof,
        message_proof=_index(members(proof)["message_proof"], 10**1000),
    ),
    "a path of 100,000 hashes": lambda proof: spelled(
        proof,
        message_proof=members(proof)["message_proof"].replace(
            "\n\n", "\n" + ("A" * 43 + "=\n") * 100_000 + "\n", 1
        ),
    ),
    "a lone surrogate": lambda proof: proof.replace(b'"cited":null', b'"cited":"\\ud800"'),
    "a payload of a gigabyte's name": lambda proof: spelled(proof, payload="A" * 5_000_000),
    "5,000 key entries": lambda proof: spelled(proof, keys=members(proof)["keys"][:1] * 5_000),
    "the message's proof in both places": lambda proof: spelled(
        proof, checkpoint_proof=members(proof)["message_proof"]
    ),
    "a gzip bomb": lambda proof: gzip.compress(b"{" * 100_000_000),
    "evidence of nothing": lambda proof: b'{"factoryledger":"evidence","version":1}\n',
    "a range of nothing": lambda proof: b'{"factoryledger":"range","version":1}\n',
    "evidence, deep": lambda proof: b'{"factoryledger":"evidence","x":' + b"[" * DEEP,
    "a range, deep": lambda proof: b'{"factoryledger":"range","x":' + b"[" * DEEP,
}


def _index(proof, number):
    lines = proof.split("\n")
    at = next(place for place, line in enumerate(lines) if line.startswith("index "))
    lines[at] = f"index {number}"
    return "\n".join(lines)


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_proof_is_refused_in_one_line(make, anchored, command, tmp_path):
    proof = anchored.proof.read_bytes()
    data = make(proof)
    assert data != proof
    (tmp_path / "hostile").write_bytes(data)
    refused = command("verify", tmp_path / "hostile", "--data", anchored.data)
    assert refused.code in {1, 2}, refused.err
    assert refused.out == ""
    (line,) = refused.err.splitlines()
    assert line.isprintable()
    assert len(line) < 1000
    assert "valid" not in line.replace("not valid", "").replace("invalid", "")


def test_the_proof_itself_is_valid(anchored, command):
    assert command("verify", anchored.proof, "--data", anchored.data).code == 0


def test_a_file_s_own_name_is_obeyed_by_no_terminal(anchored, command, tmp_path):
    path = tmp_path / "\x1b[2J\nproof: valid"
    path.write_bytes(anchored.proof.read_bytes())
    taken = command("verify", path, "--data", anchored.data)
    assert taken.code == 0
    assert all(line.isprintable() for line in taken.out.splitlines())
    assert r"\x1b[2J\nproof: valid: valid" in taken.out
    path.write_bytes(b"{}")
    for arguments in (["verify", path], ["verify", anchored.proof, "--policy", path]):
        refused = command(*arguments, "--data", anchored.data)
        assert refused.code in {1, 2}
        (line,) = refused.err.splitlines()
        assert line.isprintable()


POLICIES = {
    "a name that clears the screen": "witness \x1b[2J x\nquorum none\n",
    "a quorum of itself": "group g all g\nquorum g\n",
    "groups by the ten thousand": "".join(f"group g{n} 1 g{n - 1}\n" for n in range(10_000))
    + "quorum none\n",
    "a threshold of a thousand digits": f"group g {'9' * 1000} a\nquorum g\n",
    "a right-to-left name": "witness \u202eabc def\nquorum none\n",
    "NUL": "quorum none\n\0",
}


@pytest.mark.parametrize("text", POLICIES.values(), ids=POLICIES)
def test_a_hostile_policy_is_refused_in_one_line(text, anchored, command, tmp_path):
    (tmp_path / "policy").write_text(text)
    refused = command(
        "verify", anchored.proof, "--policy", tmp_path / "policy", "--data", anchored.data
    )
    assert refused.code in {1, 2}, refused.err
    (line,) = refused.err.splitlines()
    assert line.isprintable()
    assert len(line) < 2000
