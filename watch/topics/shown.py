"""A message as lines to read: pretty JSON, Sparkplug's metrics, text, or hexadecimal. Pure.

A line is spans of a role and a text without any character that a terminal obeys. JSON is laid
out and not written anew: its numbers, names and escapes stay as the sender spelled them.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from telemetry.decoding import Names
from telemetry.errors import MalformedPayload
from telemetry.sparkplug import DataType, Metric, Payload
from telemetry.sparkplug_topic import SparkplugTopic
from watch.line import visible
from watch.topics.node import Kept
from watch.topics.structure import Births, birth_names, sparkplug_of

Role = Literal[
    "plain", "dim", "name", "text", "number", "word", "good", "bad", "open", "head", "bars"
]
Span = tuple[Role, str]
Line = list[Span]

LINES: Final = 5000
_DEEPEST: Final = 64  # deeper JSON, indented, would take many times its size
_ROW: Final = 16  # bytes a line of hexadecimal
_TOKENS: Final = re.compile(
    r'(?P<name>"(?:[^"\\]|\\.)*"(?=:))|(?P<text>"(?:[^"\\]|\\.)*")'
    r"|(?P<number>-?\d[\d.eE+-]*)|(?P<word>true|false|null)"
)
_LATEST: Final = 253_402_300_800_000  # milliseconds: the year 10000


def message_lines(topic: str, kept: Kept, births: Births) -> list[Line]:
    """Lay a message out as what it is: by its topic, then by its bytes."""
    place = sparkplug_of(topic)
    if place is not None:
        lines = sparkplug_lines(place, kept.payload, births)
    elif kept.size == 0:
        lines = [[("dim", "an empty payload: on a retained topic it clears what was kept")]]
    else:
        lines = json_lines(kept.payload) or text_lines(kept.payload) or hex_lines(kept.payload)
    if not kept.whole:
        lines.append([("bad", f"… of {kept.size} bytes the first {len(kept.payload)} are kept")])
    return lines


def json_lines(payload: bytes) -> list[Line]:
    """Lay JSON out, two spaces a level; nothing where it is none, or very deep."""
    if _depth(payload) > _DEEPEST:
        return []
    try:
        payload.decode()
        laid_out = msgspec.json.format(payload, indent=2).decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    return _limited(_json_line(line) for line in laid_out.split("\n"))


def text_lines(payload: bytes) -> list[Line]:
    """Give the lines of a text; nothing where it is not UTF-8 or holds other control bytes."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return []
    if any(ord(one) < 32 and one not in "\t\r\n" for one in text):  # noqa: PLR2004 - controls
        return []
    parts = text.replace("\r\n", "\n").split("\n")
    return _limited([("plain", visible(part.expandtabs(4)))] for part in parts)


def hex_lines(payload: bytes) -> list[Line]:
    """Give offset, bytes and what of them is ASCII, sixteen a line."""
    return _limited(_hex_line(payload, at) for at in range(0, len(payload), _ROW))


def sparkplug_lines(place: SparkplugTopic, payload: bytes, births: Births) -> list[Line]:
    """Give a Sparkplug payload's metrics, a line each, named by the births that were heard."""
    try:
        read = Payload.from_bytes(payload)
    except MalformedPayload as error:
        return [[("bad", visible(f"no Sparkplug payload: {error}"))], *hex_lines(payload)]
    names = birth_names(place, births)
    head = f"Sparkplug {place.type}, {len(read.metrics)} metrics"
    seq = "" if read.seq is None else f", seq {read.seq}"
    lines: list[Line] = [[("head", head + seq)]]
    if read.timestamp is not None:
        lines.append([("dim", "time "), ("text", _moment(read.timestamp))])
    lines += [_metric_line(metric, names) for metric in read.metrics[:LINES]]
    return lines


def _metric_line(metric: Metric, names: Names) -> Line:
    name = metric.name
    if name is None and metric.alias is not None:
        name = names.aliases.get(metric.alias)
    if name is None:
        shown: Line = [("bad", f"alias {metric.alias}, of no birth that was heard")]
    else:
        shown = [("name", visible(name))]
    datatype = metric.datatype or (None if name is None else names.types.get(name))
    role, value = _meaning(metric, datatype)
    kind = "" if datatype is None else f"  {datatype.name.lower()}"
    flags = "  historical" if metric.is_historical else ""
    return [*shown, ("plain", "  "), (role, value), ("dim", kind + flags)]


def _meaning(metric: Metric, datatype: DataType | None) -> tuple[Role, str]:
    if metric.value is None:
        return "word", "(not looked into)" if metric.opaque else "null"
    if datatype is None:
        raw = metric.value.raw
    else:
        try:
            meant = metric.meaning(datatype)
        except MalformedPayload as error:
            return "bad", visible(str(error))
        raw = metric.value.raw if meant is None else meant
    if isinstance(raw, bytes):
        return "text", f"{len(raw)} B {raw[:32].hex(' ')}"
    if isinstance(raw, int) and datatype is DataType.DATETIME:
        return "text", _moment(raw)
    return ("text" if isinstance(raw, str) else "number"), visible(str(raw))


def _moment(milliseconds: int) -> str:
    if not 0 <= milliseconds < _LATEST:
        return f"{milliseconds} ms"
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _depth(payload: bytes) -> int:
    """At most how deep JSON is: brackets in strings count too."""
    deepest = depth = 0
    for found in re.finditer(rb"[\[{\]}]", payload):
        depth += 1 if found[0] in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _json_line(line: str) -> Line:
    spans: Line = []
    end = 0
    for found in _TOKENS.finditer(line):
        if found.start() > end:
            spans.append(("plain", visible(line[end : found.start()])))
        role = found.lastgroup
        assert role in {"name", "text", "number", "word"}
        spans.append((role, visible(found[0])))  # type: ignore[arg-type]  # one of the groups
        end = found.end()
    if end < len(line):
        spans.append(("plain", visible(line[end:])))
    return spans


def _hex_line(payload: bytes, at: int) -> Line:
    row = payload[at : at + _ROW]
    left, right = row[: _ROW // 2].hex(" "), row[_ROW // 2 :].hex(" ")
    printed = "".join(chr(one) if 32 <= one < 127 else "·" for one in row)  # noqa: PLR2004 - ASCII
    return [("dim", f"{at:06x}  "), ("number", f"{left:<24} {right:<23}"), ("text", f"  {printed}")]


def _limited(lines: Iterator[Line]) -> list[Line]:
    kept: list[Line] = []
    for line in lines:
        if len(kept) == LINES:
            kept.append([("dim", f"… the first {LINES} lines are shown")])
            break
        kept.append(line)
    return kept
