"""Machines as their `state` topics tell: PackML states, by word and by colour. Pure."""

from typing import Final

from watch.line import visible
from watch.topics import words
from watch.topics.node import Node
from watch.topics.shown import Line, Role
from watch.topics.structure import json_of

_LONGEST: Final = 16  # characters of a state
_LOOKED_AT: Final = 5000  # levels, for one list
_LISTED: Final = 500

# PackML's states by what they mean to who walks by: runs, waits, is on its way, has stopped.
_STATES: Final[dict[str, Role]] = {
    "Execute": "good",
    "Completed": "good",
    "Completing": "good",
    "Idle": "name",
    "Held": "open",
    "Holding": "open",
    "Unholding": "open",
    "Suspended": "open",
    "Suspending": "open",
    "Unsuspending": "open",
    "Starting": "word",
    "Resetting": "word",
    "Clearing": "word",
    "Stopping": "bad",
    "Stopped": "bad",
    "Aborting": "bad",
    "Aborted": "bad",
}


def state_role(name: str) -> Role:
    """Give the colour of a machine's state; of one that is not PackML's the plain one."""
    return _STATES.get(name, "plain")


def machine_state(node: Node) -> str | None:
    """Give the state of the machine whose level this is, by its newest `state`; None for none."""
    child = node.children.get("state")
    if child is None or child.shown is None:
        return None
    value = json_of(child.shown.payload)
    state = value.get("state") if isinstance(value, dict) else None
    name = state.get("name") if isinstance(state, dict) else None
    return visible(name)[:_LONGEST] if isinstance(name, str) and name else None


def machine_lines(node: Node) -> list[Line]:
    """List the machines that stand below a level with their states; nothing where there is none."""
    lines: list[Line] = []
    pending, looked_at = [node], 0
    while pending and looked_at < _LOOKED_AT and len(lines) < _LISTED:
        one = pending.pop()
        looked_at += 1
        name = machine_state(one)
        if name is not None:
            role, telling = state_role(name), f"{words.count(one.total):>6} messages  "
            topic = visible(one.topic)
            lines.append([(role, f"● {name:<{_LONGEST}} "), ("dim", telling), ("plain", topic)])
        pending.extend(reversed(one.sorted()))
    if pending and lines:
        lines.append([("dim", "… and more below")])
    return lines
