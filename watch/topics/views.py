"""What is told of one topic: its facts, its properties, its history. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from telemetry.canonical import time_text
from telemetry.properties import NO_PROPERTIES
from watch.line import visible
from watch.topics import words
from watch.topics.node import Kept, Node
from watch.topics.shown import Line, hex_lines
from watch.topics.structure import Births
from watch.topics.summary import summary
from watch.topics.trust import Number, Standing

_TIME: Final = slice(11, 23)  # of RFC 3339: hours to milliseconds


def headline(topic: str, kept: Kept, held: Standing, now: int, place: str) -> list[Line]:
    """Say in three lines which message is shown, how it came, how its signature stands."""
    flags = f"QoS {kept.qos}" + (", retained" if kept.retain else "")
    age = words.age(now - kept.received)
    ago = "just now" if age == "now" else f"{age} ago"
    return [
        [("head", visible(topic) or '""')],
        [("dim", f"{clock(kept.received)} ({ago}) · {kept.size} B · {flags} · {place}")],
        [(held.role, held.word), ("dim", f" · {held.sentence}")],
    ]


def about(topic: str, node: Node, kept: Kept, held: Standing, number: Number | None) -> list[Line]:
    """Say all that is known of a message beside its payload."""
    said = [
        ("topic", visible(topic)),
        ("received", time_text(kept.received)),
        ("size", f"{kept.size} bytes"),
        ("QoS", str(kept.qos)),
        ("retained", "yes" if kept.retain else "no"),
    ]
    lines: list[Line] = [_fact(name, value) for name, value in said]
    lines.append([("dim", f"{'signature':<12}"), (held.role, held.word)])
    lines.append([("dim", " " * 12 + held.sentence)])
    if number is not None:
        lines.append(_fact("machine", visible(number.device)))
        lines.append(_fact("session", visible(number.session)))
        lines.append(_fact("seq", str(number.seq)))
    lines += [[], [("head", "MQTT properties")], *_properties(kept), []]
    lines += [[("head", "Topic")], _fact("messages", str(node.count)), _kept_line(node)]
    return lines


def history_lines(
    topic: str, node: Node, history: Sequence[Kept], chosen: Kept, births: Births
) -> list[Line]:
    """List a topic's kept messages, the newest first, and say what was let go."""
    lines: list[Line] = []
    for kept in reversed(history):
        mark: Line = [("good", "▶ ")] if kept is chosen else [("plain", "  ")]
        size = words.size(kept.size)
        said = summary(topic, kept, births)
        lines.append([*mark, ("dim", f"{clock(kept.received)} {size:>6} "), ("plain", said)])
    lines.append(_kept_line(node))
    return lines


def _kept_line(node: Node) -> Line:
    if not node.dropped:
        return [("dim", f"all {node.kept} messages since the start are kept")]
    older = f"the newest {node.kept} messages are kept; {node.dropped} older ones were let go"
    return [("open", f"{older}, since memory is bounded")]


def level_lines(node: Node) -> list[Line]:
    """Say what stands below a level that has no message of its own."""
    topic = visible(node.topic) + "/" if node.parent is not None else ""
    return [
        [("head", topic or "all topics")],
        [("dim", f"{node.topics} topics below, {node.total} messages")],
        [],
    ]


def clock(received: int) -> str:
    """Write the time of day, UTC, to the millisecond."""
    return time_text(received)[_TIME] + "Z"


def _fact(name: str, value: str) -> Line:
    return [("dim", f"{name:<12}"), ("plain", value)]


def _properties(kept: Kept) -> Iterator[Line]:
    found = kept.properties
    if found == NO_PROPERTIES:
        yield [("dim", "none")]
        return
    if found.payload_format_indicator:
        yield _fact("format", "UTF-8 text, it says")
    for name, value in (
        ("content type", found.content_type),
        ("response to", found.response_topic),
    ):
        if value is not None:
            yield _fact(name, visible(value))
    if found.correlation_data is not None:
        yield _fact("correlation", "")
        yield from hex_lines(found.correlation_data[:256])
    if found.message_expiry_interval is not None:
        yield _fact("expires in", f"{found.message_expiry_interval} s")
    for name, value in found.user_properties:
        yield [("dim", "user "), ("name", visible(name)), ("plain", f" = {visible(value)}")]
