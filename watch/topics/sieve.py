"""Which topics are looked for: by their name, by what their messages hold. Pure.

A name is looked for anywhere in a topic, without regard to case; with `+` or `#` it is an MQTT
filter. Content is looked for in payloads as they came, ASCII letters without regard to case,
and a topic that ever held it stays.
"""

from collections.abc import Iterable

from telemetry.topic import matches
from watch.topics.node import Kept, Node


class Sieve:
    """What is looked for; empty texts let everything through."""

    def __init__(self, topic: str = "", content: str = "") -> None:
        self.topic = topic
        self.content = content
        self._name = topic.casefold()
        self._pattern = "+" in topic or "#" in topic
        self._sought = content.encode("utf-8", "surrogateescape").lower()
        self._held: set[Node] = set()

    def __bool__(self) -> bool:
        return bool(self.topic or self.content)

    def takes_topic(self, topic: str) -> bool:
        """Whether a topic's name is looked for."""
        if self._pattern:
            return matches(self.topic, topic)
        return self._name in topic.casefold()

    def takes_message(self, kept: Kept) -> bool:
        """Whether a message holds what is looked for."""
        return self._sought in kept.payload.lower()

    def look(self, nodes: Iterable[Node], since: int = 0) -> bool:
        """Look through the messages that these topics keep, as received from a time on.

        Gives whether a topic was found that was not before.
        """
        if not self._sought:
            return False
        found = {node for node in nodes if node not in self._held and self._holds(node, since)}
        self._held |= found
        return bool(found)

    def takes(self, topic: str, node: Node) -> bool:
        """Whether a topic passes, by its name and by what it was found to hold."""
        return (not self._sought or node in self._held) and self.takes_topic(topic)

    def _holds(self, node: Node, since: int) -> bool:
        for kept in reversed(node.history or ()):
            if kept.received < since:
                return False
            if self.takes_message(kept):
                return True
        return False
