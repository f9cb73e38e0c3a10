"""What is shown of anybody's message: the page's floor, the terminal's views, lines. No error."""

from fuzz_of_messages import PLACE, SPARKPLUG, TIME, header_value, payloads, properties
from fuzz_of_wire import births
from fuzz_target import Target

from telemetry.mqtt_packets import NO_PROPERTIES, Arrival
from watch.floor.floor import Floor
from watch.floor.heard import hear
from watch.line import json_line, plain_line
from watch.topics.copied import copied
from watch.topics.node import Kept
from watch.topics.shown import message_lines
from watch.topics.structure import numbers
from watch.topics.summary import summary
from watch.web.live import Hub

FLAGS = (False, False)  # neither retained nor a duplicate
ROOT = str(PLACE).removesuffix("telemetry")
TOPICS = (*(ROOT + kind for kind in ("telemetry", "birth", "state", "event", "death")), "a/b")
NODES = tuple(str(SPARKPLUG).replace("DDATA", kind) for kind in ("DBIRTH", "DDATA", "DDEATH"))


def _line(data: bytes) -> None:
    """Whatever a payload is, it is one line of printable text."""
    one = Arrival("a/b", data, 0, *FLAGS, NO_PROPERTIES, None, 0)
    for line in (plain_line(one, TIME), json_line(one, TIME)):
        assert line.isprintable()


def _floor(data: bytes) -> None:
    """The page goes on, whatever somebody publishes on a machine's topics."""
    hear(data)
    floor, said = Floor(), properties()[0].decode()
    hub = Hub(floor, clock=lambda: TIME)
    for topic in (*TOPICS, *NODES):
        floor.hear(topic, births()[0] if "BIRTH" in topic and data[:1] == b"!" else data, TIME)
        floor.hear(topic, data, TIME + 1, header=header_value(), properties=said)
    floor.tick(TIME + 9_000_000)
    assert hub.floor is floor


def _terminal(data: bytes) -> None:
    """The terminal shows it, on lines that no terminal obeys."""
    kept = Kept(TIME, data, len(data))
    births_of = {str(SPARKPLUG).replace("DDATA", "DBIRTH"): Kept(TIME, births()[0], 9)}.get
    for topic in ("a/b", str(PLACE), str(SPARKPLUG)):
        numbers(topic, kept, births_of)
        summary(topic, kept, births_of)
        message_lines(topic, kept, births_of)
    assert copied(kept).isprintable()


def _payloads() -> list[bytes]:
    return [*payloads(), *births(), b"12.5", b"\xff\0", b'{"a":[1,{"b":2.5}]}', b"!"]


TARGETS = [
    Target("line", _line, (), _payloads),
    Target("floor", _floor, (), _payloads, (b'"session":"', b"\\ud800", b"9" * 30), factor=400),
    Target("terminal", _terminal, (), _payloads, (b"\x1b[31m", b"\\u001b", b"[[[["), factor=2000),
]
