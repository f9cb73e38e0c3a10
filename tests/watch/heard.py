"""Messages as a link hears them, for the tests of the topic tree and of the terminal."""

import json

from telemetry.link import Arrival
from telemetry.properties import NO_PROPERTIES
from watch.topics.tree import TopicTree

START = 1_764_000_000_000_000
SECOND = 1_000_000


def heard(topic, payload=b"p", **rest):
    rest = {"qos": 0, "retain": False, "properties": NO_PROPERTIES} | rest
    return Arrival(topic=topic, payload=payload, duplicate=False, packet_id=None, epoch=1, **rest)


def sealed(members):
    """A payload with the shape of a signed one; its signature holds for nobody."""
    body = json.dumps(members, separators=(",", ":"), ensure_ascii=False)[:-1]
    return f'{body},"sig":"{"A" * 86}=="}}'.encode()


def telemetry(device="mill-1", seq=0, **readings):
    readings = readings or {"spindle_temperature": 61.25}
    return sealed({"device": device, "session": "s1", "seq": seq, "readings": readings})


def state(name, device="mill-1", seq=0):
    inside = {"name": name, "number": 6}
    return sealed({"device": device, "session": "s1", "seq": seq, "state": inside})


def tree_of(*messages, memory=None, **options):
    """A tree that heard these, a second apart, folded."""
    tree = TopicTree(START, memory, **options)
    for number, one in enumerate(messages):
        tree.hear([one], START + number * SECOND)
    tree.fold(START + len(messages) * SECOND)
    return tree
