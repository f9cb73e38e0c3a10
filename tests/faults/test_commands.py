"""Commands: taken from the operator, for this machine, fresh and once; refused else."""

import pytest

from anchor.command import CommandVerifier, sign_command
from anchor.errors import Malformed, Refused
from anchor.note import Note, SignerKey, sign_note
from simulator.errors import BadScenario
from simulator.faults.commands import BOUND, Commands, is_command

OPERATOR = SignerKey.from_seed("log.example/operator", bytes([1]) * 32)
STRANGER = SignerKey.from_seed("log.example/operator", bytes([2]) * 32)
BEGAN = 1_800_000_000_000_000
NOW = BEGAN + 10 * BOUND
FAULT = "drift:mill-01/power@5+60,by=2"


def signed(device="mill-01", fault=FAULT, time=NOW, operator=OPERATOR):
    return sign_command(operator=operator, device=device, fault=fault, time=time)


@pytest.fixture
def commands(machine):
    known = {one.name: one for one in (machine("mill"), machine("furnace"))}
    return Commands(CommandVerifier(OPERATOR.verifier), known, BEGAN, first=4)


def test_its_text_is_that_of_the_format():
    assert Note.from_bytes(signed()).text == (
        "factoryledger command v1\n"
        "device mill-01\n"
        "fault drift:mill-01/power@5+60,by=2\n"
        "time 2027-01-15T08:10:00.000000Z\n"
    )
    assert is_command(signed())
    assert not is_command(b'{"device":"mill-01"}')


def test_a_good_command_befalls_and_counts_on(commands):
    (one,) = commands.take("mill-01", signed(), NOW)
    assert (one.id, one.device, one.metric) == ("drift-4", "mill-01", "power")
    assert (one.start, one.end, one.spec.by) == (5_000, 65_000, 2)
    (other,) = commands.take("mill-01", signed(time=NOW + 1), NOW)
    assert other.id == "drift-5"


def test_it_is_taken_once_however_it_is_spelled(commands):
    commands.take("mill-01", signed(), NOW)
    for now in (NOW, NOW + BOUND):
        with pytest.raises(BadScenario, match="taken before"):
            commands.take("mill-01", signed(), now)
    with pytest.raises(BadScenario, match="another time"):
        commands.take("mill-01", signed(), NOW + BOUND + 1)


@pytest.mark.parametrize(
    ("time", "now"),
    [(NOW - BOUND - 1, NOW), (NOW + BOUND + 1, NOW), (BEGAN - 1, BEGAN + 5)],
    ids=["old", "future", "before this run"],
)
def test_one_of_another_time_is_refused(commands, time, now):
    with pytest.raises(BadScenario, match="another time; sign it anew"):
        commands.take("mill-01", signed(time=time), now)


def test_the_bound_itself_is_within(commands):
    assert commands.take("mill-01", signed(time=NOW - BOUND), NOW)
    assert commands.take("mill-01", signed(time=NOW + BOUND), NOW)


def test_only_the_operator_is_obeyed(commands):
    with pytest.raises(Refused):
        commands.take("mill-01", signed(operator=STRANGER), NOW)
    edited = signed().replace(b"by=2", b"by=3")
    with pytest.raises(Refused):
        commands.take("mill-01", edited, NOW)


@pytest.mark.parametrize(
    ("topic", "command", "said"),
    [
        ("furnace-01", signed(), "on the topic of furnace-01"),
        ("mill-02", signed(device="mill-02"), "on the topic of mill-02"),
        ("mill-01", signed(fault="offline:furnace-01@0+1"), "with a fault of furnace-01"),
        ("mill-01", signed(fault="offline:mill-*@0+1"), r"with a fault of mill-\*"),
        ("mill-01", signed(fault="gremlin:mill-01@0+1"), "no fault 'gremlin'"),
        ("mill-01", signed(fault="drift:mill-01/pover@0+1"), "no metric 'pover'"),
        ("furnace-01", signed("furnace-01", "tool-breakage:furnace-01@0+1"), "cannot have"),
    ],
)
def test_what_cannot_be_is_refused_and_may_be_signed_better(commands, topic, command, said):
    with pytest.raises(BadScenario, match=said):
        commands.take(topic, command, NOW)
    assert commands.take("mill-01", signed(), NOW)


BAD = [
    "factoryledger command v2\ndevice mill-01\nfault x\ntime 2027-01-15T08:10:00.000000Z\n",
    "factoryledger command v1\ndevice Mill\nfault x\ntime 2027-01-15T08:10:00.000000Z\n",
    "factoryledger command v1\ndevice mill-01\nfault \ntime 2027-01-15T08:10:00.000000Z\n",
    "factoryledger command v1\ndevice mill-01\nfault é\ntime 2027-01-15T08:10:00.000000Z\n",
    "factoryledger command v1\ndevice mill-01\nfault x\ntime 2027-01-15T08:10:00Z\n",
    "factoryledger command v1\ndevice mill-01\ntime 2027-01-15T08:10:00.000000Z\nfault x\n",
    "factoryledger command v1\ndevice mill-01\nfault x\ntime 2027-01-15T08:10:00.000000Z\nmore\n",
    "factoryledger command v1\ndevice  mill-01\nfault x\ntime 2027-01-15T08:10:00.000000Z\n",
    "factoryledger command v1\n",
]


@pytest.mark.parametrize("text", BAD)
def test_another_spelling_is_refused_even_from_the_operator(commands, text):
    with pytest.raises(Malformed):
        commands.take("mill-01", sign_note(text, OPERATOR), NOW)


def test_a_second_signature_or_a_long_note_is_refused(commands):
    note = Note.from_bytes(signed())
    other = SignerKey.from_seed("log.example/other", bytes([3]) * 32)
    with pytest.raises(Malformed, match="2 signatures"):
        commands.take("mill-01", note.with_signatures(other.sign(note.text)).to_bytes(), NOW)
    with pytest.raises(Malformed, match="at most 4096"):
        commands.take("mill-01", signed() + b" " * 5000, NOW)


def test_what_no_command_may_say_is_not_signed():
    for fields in ({"device": "Mill"}, {"fault": ""}, {"fault": "a\nb"}, {"time": -1}):
        with pytest.raises(Malformed):
            signed(**fields)
