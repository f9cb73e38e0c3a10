"""Security faults: what others say in a machine's name, as a collector would judge it."""

import pytest

from simulator.offline import START
from telemetry.message import parse

FAULT, END = 10, 40
INTERVAL = f"@{FAULT}+{END - FAULT}"


@pytest.fixture
def told(recorded):
    """A recording with a fault; the machine's own messages, and those of others.

    Its own are told from others' by the numbers: one chain, from 0, without gaps.
    """

    def run(fault):
        found = recorded(fault)
        chain, others, prev = [], [], None
        for line, judged in found.lines:
            kind = line.topic.rsplit("/", 1)[1]
            message = parse(line.payload, kind)
            session = chain[0].session if chain else message.session
            fits = (message.seq, message.prev, message.session) == (len(chain), prev, session)
            if judged.status == "accepted" and fits:
                chain.append(message)
                prev = judged.body_hash
            else:
                others.append((line, judged, message))
                assert FAULT <= (line.received - START) / 1e6 < END
        assert len(chain) == found.tally.recorded == found.tally.delivered
        return chain, others

    return run


def test_a_clone_with_a_session_of_its_own_forks_the_chain(told):
    chain, others = told(f"cloned-machine:mill-01{INTERVAL}")
    assert len(others) == END - FAULT - 2
    assert {judged.status for _, judged, _ in others} == {"accepted"}
    assert [message.seq for *_, message in others] == list(range(len(others)))
    assert len({message.session for *_, message in others} | {chain[0].session}) == 2
    # The first names the predecessor of one of the machine's own messages: the fork.
    assert others[0][2].prev in {message.prev for message in chain}
    assert others[0][2].scans[0].readings != chain[-1].scans[0].readings


def test_a_clone_in_the_machines_session_takes_numbers_that_are_taken(told):
    chain, others = told(f"cloned-machine:mill-01{INTERVAL},session=same")
    assert len(others) == END - FAULT - 2
    bodies = {message.seq: message.body for message in chain}
    for _, judged, message in others:
        assert judged.status == "accepted"  # without a store; with one it is a conflict
        assert message.session == chain[0].session
        assert bodies[message.seq] != message.body


def test_replays_are_the_machines_own_bytes_again(recorded):
    found = recorded(f"replayed-message:mill-01{INTERVAL},share=1")
    seen, again = {}, 0
    for line, judged in found.lines:
        assert judged.status == "accepted"
        if line.payload in seen:
            again += 1
            assert seen[line.payload] == line.topic
            assert FAULT <= (line.received - START) / 1e6 < END
        seen[line.payload] = line.topic
    assert again == END - FAULT
    assert len(seen) == found.tally.recorded


def test_a_stolen_key_signs_well_and_knows_no_predecessor(told):
    chain, others = told(f"stolen-key:mill-01{INTERVAL}")
    assert len(others) == END - FAULT
    assert {judged.status for _, judged, _ in others} == {"accepted"}
    assert others[0][2].prev is None
    assert {message.session for *_, message in others} != {chain[0].session}
    assert [message.seq for *_, message in others] == list(range(len(others)))


@pytest.mark.parametrize(
    ("fields", "status"), [("", "unknown-device"), (",key=machine", "bad-signature")]
)
def test_a_forged_sender_is_found_by_key_or_signature(told, fields, status):
    _, others = told(f"forged-sender:mill-01{INTERVAL}{fields}")
    assert len(others) == END - FAULT
    assert {judged.status for _, judged, _ in others} == {status}


def test_a_withheld_message_is_a_gap_in_numbers_and_chain(recorded):
    found = recorded(f"withheld-message:mill-01{INTERVAL},share=0.5")
    well = {judged.seq: judged for _, judged in found.lines}
    missing = set(range(found.tally.recorded)) - set(well)
    assert 5 < len(missing) == found.tally.held == found.tally.withheld
    for seq in missing:
        if seq + 1 in well and seq - 1 in well:
            assert well[seq + 1].message.prev != well[seq - 1].body_hash
    late = [
        (line.received - START) / 1e6 for line, judged in found.lines if judged.seq - 1 in missing
    ]
    assert all(FAULT < second <= END for second in late)
