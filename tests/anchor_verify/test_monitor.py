"""A monitor's rule: whatever is shown, by whomever, only one history is ever taken."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verify_logs import MemorySource, publish

from anchor.errors import Malformed, Refused
from anchor.merkle import leaf_hash, tree_root
from anchor.monitor import LogMonitor, MonitorState, Unproven
from anchor.note import SignerKey
from anchor.policy import FormerLog, Policy, write_policy
from anchor.proving.evidence import check_evidence
from anchor.reading.log_reader import LogReader

KEY = SignerKey.from_seed("example.org/log", bytes(32))
OTHER = SignerKey.from_seed("example.org/log", b"\1" * 32)
STRANGER = SignerKey.from_seed("example.org/stranger", bytes(32))
POLICY = Policy.from_bytes(write_policy(KEY.verifier, None, [], "none"))


def entries_of(count, changed=None):
    return [b"another" if i == changed else b"entry %d" % i for i in range(count)]


def log_of(count, changed=None, key=KEY):
    return publish(key, entries_of(count, changed))


def reader_of(*logs):
    """A reader of a place that serves tiles of all these trees, the later winning."""
    files = {}
    for log in logs:
        files |= log
    return LogReader(MemorySource(files), KEY.verifier)


def head(log):
    return log["checkpoint"]


@pytest.mark.parametrize("sizes", [(600, 600), (300, 600), (600, 300), (256, 257), (1, 700)])
@pytest.mark.parametrize("kept", [False, True])
def test_two_histories_are_a_split_view_whose_evidence_holds(sizes, kept):
    """Each reader has only its own side's tiles; a state in between is the same."""
    honest, fork = log_of(sizes[0]), log_of(sizes[1], changed=0)
    monitor = LogMonitor(KEY.verifier, [reader_of(honest), reader_of(fork)])
    assert monitor.see("a", head(honest)) is None
    if kept:
        state = MonitorState({str(KEY.verifier): monitor.heads})
        heads = MonitorState.from_bytes(state.to_bytes()).of(KEY.verifier)
        monitor = LogMonitor(KEY.verifier, monitor.readers, heads)
    for _ in range(2):
        alarm = monitor.see("b", head(fork))
        assert alarm.kind == "split-view"
        assert alarm.place == "b"
        convicted = check_evidence(alarm.evidence.to_bytes(), POLICY)
        assert convicted.kind == "equivocation"
        assert monitor.heads.trunk == head(honest), "a fork is never taken"
        assert "b" not in monitor.heads.places


def test_evidence_against_one_key_convicts_no_other():
    honest, fork = log_of(600), log_of(600, changed=0)
    monitor = LogMonitor(KEY.verifier, [])
    monitor.see("a", head(honest))
    alarm = monitor.see("b", head(fork))
    other = Policy.from_bytes(write_policy(OTHER.verifier, None, [], "none"))
    with pytest.raises(Refused):
        check_evidence(alarm.evidence.to_bytes(), other)


NEXT = SignerKey.from_seed("example.org/log", b"\2" * 32)


def rotated(seen, *readers):
    """A monitor that saw heads under one key, begun again under the next."""
    before = LogMonitor(KEY.verifier, [reader_of(seen)])
    before.see("a", head(seen))
    state = MonitorState.from_bytes(MonitorState({str(KEY.verifier): before.heads}).to_bytes())
    former = [FormerLog(KEY.verifier, 600)]
    heads = state.of(NEXT.verifier, former)
    return LogMonitor(NEXT.verifier, readers, heads, former)


def test_a_rotated_key_brings_no_second_history():
    """What was seen under the former key is held to; between two keys no one is convicted."""
    seen = log_of(600)
    fork, honest = log_of(700, changed=0, key=NEXT), log_of(700, key=NEXT)
    monitor = rotated(seen, reader_of(fork))
    alarm = monitor.see("a", head(fork))
    assert (alarm.kind, alarm.evidence) == ("split-view", None)
    monitor = rotated(seen, reader_of(honest))
    assert monitor.see("a", head(honest)) is None
    assert monitor.see("late", head(seen)) is None, "signed before the rotation, as it should be"


def test_a_former_key_is_convicted_by_what_it_signed():
    lines = f"# factoryledger-former-log {KEY.verifier} 600\n".encode()
    policy = Policy.from_bytes(lines + write_policy(NEXT.verifier, None, [], "none"))
    one, other = log_of(600), log_of(600, changed=0)
    monitor = rotated(one)
    evidence = monitor.see("b", head(other)).evidence
    assert check_evidence(evidence.to_bytes(), policy).kind == "equivocation"


def test_growth_is_taken_and_who_lags_is_no_alarm():
    logs = [log_of(n) for n in (1, 256, 300, 700)]
    monitor = LogMonitor(KEY.verifier, [reader_of(*logs)])
    for log in logs:
        assert monitor.see("a", head(log)) is None
    assert monitor.see("late", head(logs[1])) is None
    assert monitor.heads.trunk == head(logs[3])
    assert monitor.heads.places == {"a": head(logs[3]), "late": head(logs[1])}


def test_a_place_that_goes_back_is_an_alarm():
    old, new = log_of(300), log_of(700)
    monitor = LogMonitor(KEY.verifier, [reader_of(old, new)])
    monitor.see("a", head(new))
    for _ in range(2):
        alarm = monitor.see("a", head(old))
        assert (alarm.kind, alarm.evidence) == ("rolled-back", None)
        assert "size 300" in alarm.detail
        assert monitor.heads.places["a"] == head(new)


@pytest.mark.parametrize(
    "shown",
    [
        head(log_of(700, key=STRANGER)),
        head(log_of(700, key=OTHER)),
        head(log_of(700)).replace(b"\n700\n", b"\n701\n"),
        b"",
        b"\xff",
    ],
)
def test_what_a_server_says_of_itself_chooses_nothing(shown):
    """CVE-2022-39199: a server that named another identity got another state, an empty one."""
    monitor = LogMonitor(KEY.verifier, [])
    monitor.see("a", head(log_of(600)))
    before = MonitorState({str(KEY.verifier): monitor.heads}).to_bytes()
    assert monitor.see("a", shown).kind == "head-false"
    assert MonitorState({str(KEY.verifier): monitor.heads}).to_bytes() == before


def test_what_cannot_be_compared_is_not_taken():
    """Tiles that are not there, or are another tree's, show nothing: neither good nor bad."""
    for reader in (reader_of({}), reader_of(log_of(700, changed=3))):
        monitor = LogMonitor(KEY.verifier, [reader])
        monitor.see("a", head(log_of(300)))
        with pytest.raises(Unproven):
            monitor.see("a", head(log_of(700)))
        assert monitor.heads.trunk == head(log_of(300))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40), st.booleans()), max_size=12))
@settings(max_examples=60, deadline=None)
def test_whatever_is_shown_all_that_is_taken_is_one_tree(shown):
    """A state machine: an alarm exactly for what is not of the first one's history."""
    logs = {(n, f): log_of(n, 0 if f else None) for n in range(41) for f in (False, True)}
    sides = [reader_of(*(logs[n, f] for n in range(41))) for f in (False, True)]
    monitor, side, last = LogMonitor(KEY.verifier, sides), None, {}
    for place, size, forked in shown:
        alarm = monitor.see(place, head(logs[size, forked]))
        mine = size == 0 or side in {None, forked}
        if not mine:
            assert alarm.kind == "split-view"
            check_evidence(alarm.evidence.to_bytes(), POLICY)
            continue
        side = forked if size else side
        if size < last.get(place, 0):
            assert alarm.kind == "rolled-back"
        else:
            assert alarm is None
            last[place] = size
        trunk = monitor.open(monitor.heads.trunk)
        leaves = list(map(leaf_hash, entries_of(trunk.size, 0 if side else None)))
        assert trunk.root == tree_root(leaves)


def test_a_state_is_of_pinned_keys_and_signed():
    monitor = LogMonitor(KEY.verifier, [])
    monitor.see("a", head(log_of(5)))
    data = MonitorState({str(KEY.verifier): monitor.heads}).to_bytes()
    read = MonitorState.from_bytes(data)
    assert read.of(KEY.verifier) == monitor.heads
    assert read.of(STRANGER.verifier).trunk is None, "another key starts with nothing"
    with pytest.raises(Refused):
        MonitorState.from_bytes(data.replace(b"\\n5\\n", b"\\n6\\n")).of(KEY.verifier)
    for bad in (b"", b"{}", data[:-1], data.replace(b" v1", b" v2"), data + b"\n"):
        with pytest.raises(Malformed):
            MonitorState.from_bytes(bad)
