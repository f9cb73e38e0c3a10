"""The line at the bottom: the connection, what was counted, what is going on. Pure."""

from watch.line import visible
from watch.terminal.model import Model
from watch.topics import words
from watch.topics.pace import rate
from watch.topics.shown import Line
from watch.topics.sieve import Sieve


def status(model: Model, now: int, *, paused: bool, sieve: Sieve) -> Line:
    """Say how it stands, the most urgent first."""
    tree = model.tree
    line: Line = list(_connection(model, now))
    if paused:
        line.append(("open", " PAUSED"))
    if model.tape is not None:
        line.append(("bad", f" ● REC {words.count(model.tape.count)}"))
    if sieve.topic:
        line.append(("word", f" /{visible(sieve.topic)}"))
    if sieve.content:
        line.append(("word", f" ={visible(sieve.content)}"))
    pace = words.rate(rate(tree.root, now, tree.since)) or "0"
    counted = f" {words.count(tree.received)} messages, {pace}/s, {words.count(tree.topics)} topics"
    line.append(("plain", counted))
    if tree.others:
        line.append(("open", f", {words.count(tree.others)} of topics beyond what is kept"))
    if tree.memory.dropped:
        line.append(("dim", f", {words.count(tree.memory.dropped)} old let go"))
    return line


def _connection(model: Model, now: int) -> Line:
    if model.trouble is None:
        return [("good", "● "), ("plain", f"{visible(model.origin)}")]
    away = words.age(now - model.away_since)
    wait = max(0, model.again_at - now) / 1e6
    return [
        ("bad", "○ away"),
        ("plain", f" {'' if away == 'now' else away + ' '}{visible(model.origin)}"),
        ("open", f" tries again in {wait:.0f} s"),
    ]
