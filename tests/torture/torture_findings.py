"""What a check says when a promise was not kept."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """`kind` is one word, the same for each violation of one promise; `what` names it."""

    kind: str
    what: str

    def __str__(self):
        return f"{self.kind}: {self.what}"


def place(event):
    """A message's name, of an event that has one."""
    return f"{event['device']} {event['session']} {event['seq']}"


def of(events, name):
    """The events of a name."""
    return [event for event in events if event["event"] == name]
