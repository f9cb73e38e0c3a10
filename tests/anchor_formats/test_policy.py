"""Policies: the whole grammar of C2SP tlog-policy, quorums, and times from both sides."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.checkpoint import Checkpoint, sign_checkpoint
from anchor.cosignature import cosign
from anchor.errors import Malformed, Refused
from anchor.note import (
    COSIGNATURE,
    ED25519,
    ML_DSA_44,
    Note,
    Signature,
    SignerKey,
    VerifierKey,
)
from anchor.policy import (
    CheckpointVerifier,
    Cosigned,
    Policy,
    Witness,
    rotate_in_policy,
    write_policy,
)

LOG = SignerKey.from_seed("example.org/log", bytes([1]) * 32)
OPERATOR = SignerKey.from_seed("example.org/log/operator", bytes([2]) * 32)
W = [
    SignerKey.from_seed(f"witness.example/{i}", bytes([10 + i]) * 32, COSIGNATURE) for i in range(6)
]
V = [key.verifier for key in W]
HEAD = Checkpoint(LOG.name, 7, bytes(range(32)))
LOG_LINE = f"log {LOG.verifier}\n"
NESTED = LOG_LINE + "".join(
    f"{line}\n"
    for line in (
        f"witness X1 {V[0]}",
        f"witness X2 {V[1]}",
        f"witness X3 {V[2]}",
        "group X-witnesses 2 X1 X2 X3",
        f"witness Y1 {V[3]}",
        f"witness Y2 {V[4]}",
        f"witness Y3 {V[5]}",
        "group Y-witnesses any Y1 Y2 Y3",
        "group X-and-Y all X-witnesses Y-witnesses",
        "quorum X-and-Y",
    )
)


def policy(text):
    return Policy.from_bytes(text.encode() if isinstance(text, str) else text)


def cosigned(*witnesses, time=100):
    note = Note.from_bytes(sign_checkpoint(HEAD, LOG))
    return note.with_signatures(*(cosign(key, note.text, time) for key in witnesses)).to_bytes()


def test_the_specification_s_example_counts_two_levels_of_groups():
    """Two of X and one of Y, for every subset of the six witnesses."""
    read = policy(NESTED)
    names = list(read.witnesses)
    met = 0
    for count in range(7):
        for subset in combinations(names, count):
            x = sum(name[0] == "X" for name in subset)
            y = sum(name[0] == "Y" for name in subset)
            assert read.met_by(subset) == (x >= 2 and y >= 1)
            met += read.met_by(subset)
    assert met == 4 * 7


def test_names_of_groups_and_strangers_are_no_cosignatures():
    read = policy(NESTED)
    assert not read.met_by(["X-and-Y", "X-witnesses", "Y-witnesses", "stranger"])


@pytest.mark.parametrize(
    "text",
    [
        "quorum none\n",
        "\n \t\n# comment\n  # another\n\tquorum\t none \n",
        LOG_LINE + "quorum none\n",
        f"log {LOG.verifier} https://log.example/\nquorum none\n",
        f"witness w {V[0]}\nquorum w\nwitness later {V[1]} https://w.example\n",
        f"quorum none\nwitness w {V[0]}\n" + LOG_LINE,
        f"witness w {V[0]}\ngroup g 1 w\nquorum w\n",
        f"witness all {V[0]}\nwitness any {V[1]}\ngroup 2 2 all any\nquorum 2\n",
        f"witness none2 {V[0]}\nquorum none2\n",
        f"log {VerifierKey('l', ED25519, V[0].public_key)}\nquorum none\n",
        b"# \xff\xfe any octets\nquorum none\n",
        b"witness \xff " + str(V[0]).encode() + b" \xfe://\xe4\nquorum \xff\n",
    ],
)
def test_the_grammar_is_accepted(text):
    policy(text)


def test_names_are_octets_and_never_normalised():
    """K and the Kelvin sign are two names; so are a letter composed and decomposed."""
    read = policy(
        f"witness K {V[0]}\nwitness \u212a {V[1]}\nwitness \u00e9 {V[2]}\n"
        f"witness e\u0301 {V[3]}\ngroup g all K \u212a \u00e9 e\u0301\nquorum g\n"
    )
    assert len(read.witnesses) == 4


def test_non_breaking_spaces_are_part_of_a_name():
    assert list(policy(f"witness a\u00a0b {V[0]}\nquorum a\u00a0b\n").witnesses) == ["a\u00a0b"]


ED_AS_LOG = VerifierKey("other", ED25519, V[0].public_key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        LOG_LINE,
        "quorum none",
        "quorum\n",
        "quorum none none\n",
        "quorum none\nquorum none\n",
        "quorum w\n",
        f"quorum w\nwitness w {V[0]}\n",
        "Quorum none\n",
        "unknown\nquorum none\n",
        "quorum none\r\n",
        "quorum none\n\x00\n",
        "quorum none\n\x7f\n",
        "quorum none\n\x0b\n",
        "quorum none\n# \x1b[0m\n",
        "log\nquorum none\n",
        "log vkey\nquorum none\n",
        f"log {LOG.verifier} url more\nquorum none\n",
        LOG_LINE * 2 + "quorum none\n",
        f"log {LOG.verifier}\nlog {VerifierKey('x', ED25519, LOG.public_key)}\nquorum none\n",
        f"log {V[0]}\nquorum none\n",
        f"witness w {LOG.verifier}\nquorum none\n",
        "witness w\nquorum none\n",
        f"witness w {V[0]} url more\nquorum none\n",
        f"witness none {V[0]}\nquorum none\n",
        f"witness w {V[0]}\nwitness w {V[1]}\nquorum none\n",
        f"witness w {V[0]}\nwitness x {V[0]}\nquorum none\n",
        f"witness w {V[0]}\nwitness x {VerifierKey('x', COSIGNATURE, V[0].public_key)}\nquorum w\n",
        f"witness w {V[0]}\ngroup w any w\nquorum none\n",
        f"witness w {V[0]}\ngroup none any w\nquorum none\n",
        f"witness w {V[0]}\ngroup g any\nquorum none\n",
        f"witness w {V[0]}\ngroup g any w w\nquorum none\n",
        f"witness w {V[0]}\ngroup g any none\nquorum none\n",
        f"witness w {V[0]}\ngroup g any g\nquorum none\n",
        f"witness w {V[0]}\ngroup g 0 w\nquorum none\n",
        f"witness w {V[0]}\ngroup g 2 w\nquorum none\n",
        f"witness w {V[0]}\ngroup g 01 w\nquorum none\n",
        f"witness w {V[0]}\ngroup g +1 w\nquorum none\n",
        f"witness w {V[0]}\ngroup g \u0661 w\nquorum none\n",
        f"witness w {V[0]}\ngroup g some w\nquorum none\n",
        f"group g any w\nwitness w {V[0]}\nquorum none\n",
        f"witness w {V[0]}\ngroup g any w\ngroup h any w\nquorum none\n",
        f"witness w {V[0]}\ngroup g any w\ngroup g any w\nquorum none\n",
        "# factoryledger-operator\nquorum none\n",
        f"# factoryledger-operator {OPERATOR.verifier} more\nquorum none\n",
        f"# factoryledger-operator {V[0]}\nquorum none\n",
        f"# factoryledger-operator {OPERATOR.verifier}\n" * 2 + "quorum none\n",
        "#" * (1 << 20) + "\nquorum none\n",
    ],
)
def test_what_the_grammar_lacks_is_malformed(text):
    with pytest.raises(Malformed):
        policy(text)


def test_an_error_names_its_line():
    with pytest.raises(Malformed, match="line 2: unknown keyword 'wintess'"):
        policy("# x\nwintess w\n")


@pytest.mark.parametrize("log_first", [True, False])
@pytest.mark.parametrize(
    "key",
    [
        VerifierKey("independent", COSIGNATURE, LOG.public_key),
        VerifierKey("independent", COSIGNATURE, OPERATOR.public_key),
        # The log's ML-DSA line bears the origin's name: a log cosigning itself.
        SignerKey.from_seed(LOG.name, bytes([8]) * 32, ML_DSA_44).verifier,
    ],
)
def test_neither_log_nor_operator_is_a_witness(key, log_first):
    pinned = f"# factoryledger-operator {OPERATOR.verifier}\n{LOG_LINE}"
    witness = f"witness w {key}\n"
    with pytest.raises(Malformed, match="not independent"):
        policy((pinned + witness if log_first else witness + pinned) + "quorum w\n")


def test_the_operator_stands_in_a_comment():
    comments = "# factoryledger-operators x\n#factoryledger-operator x\n"
    assert policy(f"{comments}quorum none\n").operator is None
    read = policy(f"# factoryledger-operator {OPERATOR.verifier}\nquorum none\n")
    assert read.operator == OPERATOR.verifier


def test_ours_names_one_log():
    assert policy(LOG_LINE + "quorum none\n").log == LOG.verifier
    other = SignerKey.generate("example.org/other").verifier
    for text in ("quorum none\n", f"{LOG_LINE}log {other}\nquorum none\n"):
        with pytest.raises(Malformed, match="where one is due"):
            _ = policy(text).log


def test_opening_needs_log_and_quorum():
    read = policy(NESTED)
    opened = read.open(cosigned(W[0], W[2], W[4]))
    assert opened.checkpoint == HEAD
    assert opened.times == {"X1": 100, "X3": 100, "Y2": 100}
    with pytest.raises(Refused, match="quorum 'X-and-Y' is not met; cosigned by: X1, X3"):
        read.open(cosigned(W[0], W[2]))
    with pytest.raises(Refused, match="cosigned by: none"):
        read.open(cosigned())


def test_a_false_cosignature_is_refused_though_the_quorum_is_met():
    note = Note.from_bytes(cosigned(W[0], W[1], W[3]))
    bad = note.with_signatures(Signature(W[5].name, W[5].verifier.id, bytes(72)))
    with pytest.raises(Refused, match="does not hold"):
        policy(NESTED).open(bad.to_bytes())


def test_any_changed_byte_is_refused_or_means_less():
    """A witness's line can be spoiled into a stranger's; head and times never change."""
    read = policy(f"{LOG_LINE}witness w0 {V[0]}\nwitness w1 {V[1]}\ngroup g any w0 w1\nquorum g\n")
    data = cosigned(W[0], W[1])
    refused = 0
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1
        try:
            opened = read.open(bytes(changed))
        except (Malformed, Refused):
            refused += 1
            continue
        assert opened.checkpoint == HEAD
        assert opened.times in ({"w0": 100}, {"w1": 100})
    assert refused > len(data) // 2


def test_strangers_lines_are_ignored():
    note = Note.from_bytes(cosigned(W[0], W[1], W[3]))
    stranger = SignerKey.generate("stranger.example", COSIGNATURE)
    more = note.with_signatures(cosign(stranger, note.text, 1), Signature("x", b"1234", b"5"))
    assert policy(NESTED).open(more.to_bytes()).times.keys() == {"X1", "X2", "Y1"}


def test_another_log_is_refused():
    other = SignerKey.generate("example.org/other")
    note = sign_checkpoint(Checkpoint(other.name, 7, bytes(32)), other)
    with pytest.raises(Refused, match="names no log"):
        policy(LOG_LINE + "quorum none\n").open(note)
    impostor = SignerKey.generate(LOG.name)
    with pytest.raises(Refused, match="not signed by"):
        policy(LOG_LINE + "quorum none\n").open(sign_checkpoint(HEAD, impostor))


def test_either_key_of_a_log_opens_it():
    """A log may be listed under two keys, while it changes from one to the other."""
    new = SignerKey.from_seed(LOG.name, bytes([30]) * 32)
    read = policy(f"{LOG_LINE}log {new.verifier}\nquorum none\n")
    for key in (LOG, new):
        assert read.open(sign_checkpoint(HEAD, key)).checkpoint == HEAD


def naive_bounds(read, times):
    """Straight from the definition, over all candidate times."""
    span = range(1, 12)
    later = [t for t in span if read.met_by(n for n, x in times.items() if x >= t)]
    earlier = [t for t in span if read.met_by(n for n, x in times.items() if 0 < x <= t)]
    return (max(later, default=None), min(earlier, default=None))


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["X1", "X2", "X3", "Y1", "Y2", "Y3"]), st.integers(1, 10)))
def test_times_bound_from_both_sides(times):
    read = policy(NESTED)
    opened = Cosigned(HEAD, times, b"")
    assert (read.not_before(opened), read.not_after(opened)) == naive_bounds(read, times)


def test_one_lying_witness_moves_neither_bound():
    read = policy(
        LOG_LINE
        + "".join(f"witness w{i} {V[i]}\n" for i in range(3))
        + "group g 2 w0 w1 w2\nquorum g\n"
    )
    honest = {"w0": 100, "w1": 101}
    for lie in (1, 50, 100, 5000, 2**62):
        opened = Cosigned(HEAD, {**honest, "w2": lie}, b"")
        assert 100 <= read.not_before(opened) <= 101
        assert 100 <= read.not_after(opened) <= 101


def test_without_times_nothing_is_bounded():
    """`quorum none` needs nobody; a time of 0 says nothing (ML-DSA-44 cosigners may)."""
    none = policy(f"{LOG_LINE}witness w {V[0]}\nquorum none\n")
    opened = none.open(cosigned(W[0]))
    assert opened.times == {"w": 100}
    assert none.not_before(opened) is none.not_after(opened) is None
    assert none.met_by([])
    timeless = SignerKey.from_seed("w.example", bytes([40]) * 32, ML_DSA_44)
    read = policy(f"{LOG_LINE}witness w {timeless.verifier}\nquorum w\n")
    opened = read.open(cosigned(timeless, time=0))
    assert opened.times == {"w": 0}
    assert read.not_before(opened) is read.not_after(opened) is None


def test_policies_are_written_for_their_own_reader():
    witnesses = [Witness(f"w{i}", V[i], "https://w.example" if i else None) for i in range(3)]
    for quorum, needed in [("none", 0), ("any", 1), (2, 2), ("all", 3), ("3", 3)]:
        read = Policy.from_bytes(write_policy(LOG.verifier, OPERATOR.verifier, witnesses, quorum))
        assert (read.log, read.operator) == (LOG.verifier, OPERATOR.verifier)
        assert list(read.witnesses.values()) == witnesses
        met = [read.met_by([f"w{i}" for i in range(count)]) for count in range(4)]
        assert met == [count >= needed for count in range(4)]
    read = Policy.from_bytes(write_policy(LOG.verifier, None, witnesses, "w1"))
    assert read.met_by(["w1"])
    assert not read.met_by(["w0", "w2"])
    for bad in ("w3", 4, 0, "quorum none\nquorum"):
        with pytest.raises(Malformed):
            write_policy(LOG.verifier, None, witnesses, bad)
    with pytest.raises(Malformed):
        write_policy(LOG.verifier, None, [Witness("w", V[0]), Witness("x", V[0])], "any")
    assert write_policy(LOG.verifier, None, [], "none").decode() == LOG_LINE + "quorum none\n"


@pytest.mark.parametrize("name", ["a b", "a\nb", "", f"w {V[0]}\nwitness x"])
@pytest.mark.parametrize("url", ["", "https://w.example x", f"x\nwitness y {V[1]}"])
def test_no_name_or_url_writes_a_line_of_its_own(name, url):
    with pytest.raises(Malformed):
        write_policy(LOG.verifier, None, [Witness(name, V[2], url)], "none")


def test_thirty_two_of_each_and_deep_groups_are_fine():
    """tlog-policy recommends at least 32; a chain of groups must not exhaust the stack."""
    keys = [SignerKey.generate(f"w{i}.example", COSIGNATURE).verifier for i in range(32)]
    logs = [SignerKey.generate(f"l{i}.example").verifier for i in range(32)]
    text = "".join(f"log {key}\n" for key in logs)
    text += "".join(f"witness w{i} {key}\n" for i, key in enumerate(keys))
    text += "group g0 any w0\n" + "".join(f"group g{i} any g{i - 1}\n" for i in range(1, 5000))
    assert policy(text + "quorum g4999\n").met_by(["w0"])


def test_machines_cite_what_the_policy_opens():
    note = cosigned(W[0], W[1], W[3])
    cited = CheckpointVerifier(policy(NESTED)).check(note)
    assert (cited.size, cited.note) == (7, policy(NESTED).open(note).hash)
    with pytest.raises(Refused):
        CheckpointVerifier(policy(NESTED)).check(cosigned(W[0]))


def test_a_rotation_of_the_log_s_key_leaves_what_stands_beside_it():
    """A no-break space is part of a URL, before and after."""
    key = SignerKey.from_seed(LOG.name, bytes([77]) * 32).verifier
    url = "https://log.example/a\u00a0b"
    data = (
        f"\t log  {LOG.verifier}\t{url}\nwitness w\u3000w {V[0]} x\u00a0y\nquorum none\n".encode()
    )
    rotated = rotate_in_policy(data, key, 5)
    assert f"\nlog {key} {url}\n".encode() in rotated
    read = policy(rotated)
    assert read.witnesses == policy(data).witnesses
    assert [(former.key, former.size) for former in read.former] == [(LOG.verifier, 5)]
