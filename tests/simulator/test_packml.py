"""The PackML table: numbers of ISA-TR88.00.02's PackTags, and every state times command."""

import pytest

from simulator.packml import DONE, TRANSITIONS, Command, State, obey

# ISA-TR88.00.02-2022, as OMAC's and vendors' public libraries number it.
NUMBERS = {
    "Clearing": 1, "Stopped": 2, "Starting": 3, "Idle": 4, "Suspended": 5, "Execute": 6,
    "Stopping": 7, "Aborting": 8, "Aborted": 9, "Holding": 10, "Held": 11, "Unholding": 12,
    "Suspending": 13, "Unsuspending": 14, "Resetting": 15, "Completing": 16, "Completed": 17,
}  # fmt: skip
COMMANDS = ["RESET", "START", "STOP", "HOLD", "UNHOLD", "SUSPEND", "UNSUSPEND", "ABORT", "CLEAR",
            "COMPLETE"]  # fmt: skip

# The same model once more, as the report's figure has it: a row a state, commands it takes.
FIGURE = """
    STOPPED      RESET:RESETTING ABORT:ABORTING
    RESETTING    STOP:STOPPING ABORT:ABORTING
    IDLE         START:STARTING STOP:STOPPING ABORT:ABORTING
    STARTING     STOP:STOPPING ABORT:ABORTING
    EXECUTE      HOLD:HOLDING SUSPEND:SUSPENDING COMPLETE:COMPLETING STOP:STOPPING ABORT:ABORTING
    HOLDING      STOP:STOPPING ABORT:ABORTING
    HELD         UNHOLD:UNHOLDING COMPLETE:COMPLETING STOP:STOPPING ABORT:ABORTING
    UNHOLDING    STOP:STOPPING ABORT:ABORTING
    SUSPENDING   STOP:STOPPING ABORT:ABORTING
    SUSPENDED    UNSUSPEND:UNSUSPENDING HOLD:HOLDING COMPLETE:COMPLETING STOP:STOPPING ABORT:ABORTING
    UNSUSPENDING STOP:STOPPING ABORT:ABORTING
    COMPLETING   STOP:STOPPING ABORT:ABORTING
    COMPLETED    RESET:RESETTING STOP:STOPPING ABORT:ABORTING
    STOPPING     ABORT:ABORTING
    ABORTING
    ABORTED      CLEAR:CLEARING
    CLEARING     ABORT:ABORTING
"""  # noqa: E501 - a table
EXPECTED = {
    (row.split()[0], cell.split(":")[0]): cell.split(":")[1]
    for row in FIGURE.strip().splitlines()
    for cell in row.split()[1:]
}


def test_the_17_states_have_their_packtags_numbers_and_names():
    assert {state.title: int(state) for state in State} == NUMBERS


def test_the_10_commands_have_their_packtags_numbers():
    assert [command.name for command in sorted(Command)] == COMMANDS
    assert [int(command) for command in sorted(Command)] == list(range(1, 11))


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("command", Command)
def test_every_command_in_every_state(state, command):
    after = obey(state, command)
    assert (after and after.name) == EXPECTED.get((state.name, command.name))


def test_the_table_names_nothing_beyond_the_figure():
    assert len(TRANSITIONS) == len(EXPECTED)


def test_acting_states_end_by_themselves_and_waiting_ones_do_not():
    waiting = {State.STOPPED, State.IDLE, State.SUSPENDED, State.ABORTED, State.HELD,
               State.COMPLETED}  # fmt: skip
    assert set(DONE) == set(State) - waiting
    assert {s.name: DONE[s].name for s in DONE} == {
        "RESETTING": "IDLE", "STARTING": "EXECUTE", "EXECUTE": "COMPLETING",
        "COMPLETING": "COMPLETED", "HOLDING": "HELD", "UNHOLDING": "EXECUTE",
        "SUSPENDING": "SUSPENDED", "UNSUSPENDING": "EXECUTE", "STOPPING": "STOPPED",
        "ABORTING": "ABORTED", "CLEARING": "STOPPED",
    }  # fmt: skip


def test_every_state_is_reached_from_every_state():
    edges = {state: {after for (at, _), after in TRANSITIONS.items() if at is state}
             for state in State}  # fmt: skip
    for state, after in DONE.items():
        edges[state].add(after)
    for start in State:
        seen, new = {start}, {start}
        while new:
            new = set().union(*(edges[s] for s in new)) - seen
            seen |= new
        assert seen == set(State)
