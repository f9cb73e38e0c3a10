"""A machine's chain of messages: next number, hash of the one before, signature.

Pure: a content and a time go in, a sealed entry comes out. One chain has one session; what
came before it is only the last body hash. Who keeps entries, and who sends them, is not
decided here.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from telemetry.compose import Author
from telemetry.header import Header, payload_hash, seal_header
from telemetry.message import Cited
from telemetry.signature import SUFFIX_LENGTH, SigningKey, before_body, body_hash, join
from telemetry.sparkplug_topic import SparkplugTopic
from telemetry.topic import MachineTopic

Place = tuple[str, int]

_RETAINED: Final = frozenset({"birth", "state"})


class Entry(NamedTuple):
    """A sealed message: where it stands in its machine's chain, and the exact payload.

    `place` is session and number, which name it among its machine's messages. `header` is
    what is signed of a message that is not JSON; its `kind` is the Sparkplug type.
    """

    kind: str
    place: Place
    payload: bytes
    body_hash: bytes
    header: str | None = None

    @property
    def session(self) -> str:
        """The session that it belongs to."""
        return self.place[0]

    @property
    def seq(self) -> int:
        """Its number in the session."""
        return self.place[1]

    @property
    def key_id(self) -> str:
        """The id of the key that signed it: what its body says last."""
        signed = self.payload if self.header is None else self.header.encode()
        return signed[:-SUFFIX_LENGTH].rpartition(b'"key":"')[2].decode().rstrip('"')

    @property
    def retain(self) -> bool:
        """Whether the broker keeps it for who comes later: births and states."""
        return self.kind in _RETAINED


class Chain:
    """One session of one machine's messages."""

    __slots__ = ("_author", "_before", "_key", "_topic", "prev", "seq", "session")

    def __init__(
        self, *, key: SigningKey, topic: MachineTopic, session: str, prev: bytes | None
    ) -> None:
        """Start at number 0 after `prev`, the last body hash before (None where lost)."""
        self._key = key
        self._topic = topic
        self.session = session
        self._author = Author(device=topic.machine, session=session, key=key.key_id)
        # By far most are telemetry.
        self._before = before_body(topic.with_kind("telemetry"))
        self.seq = 0
        self.prev = prev

    @property
    def topic(self) -> MachineTopic:
        """Where its messages go, but for their kind."""
        return self._topic

    @property
    def key(self) -> SigningKey:
        """The key that it signs with: who clones a machine, or steals from it, has it too."""
        return self._key

    @property
    def public_key(self) -> bytes:
        """The key that its signatures verify with."""
        return self._key.public_key

    def seal(  # noqa: PLR0913 - the members of a body
        self,
        kind: str,
        *,
        time: int,
        readings: Mapping[str, float] | None = None,
        content: dict[str, Any] | None = None,
        anchor: Cited | None = None,
        source: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Make, number and sign a message; the chain goes on only with `advance`.

        `readings` for telemetry, `content` for birth, state and event; `time` in µs; `source` is
        what a gateway's message stands for.
        """
        body = self.draft(
            kind, time=time, readings=readings, content=content, anchor=anchor, source=source
        )
        telemetry = kind == "telemetry"
        before = self._before if telemetry else before_body(self._topic.with_kind(kind))
        payload = join(body, self._key.sign(before + body))
        return Entry(kind, (self.session, self.seq), payload, body_hash(body))

    def draft(  # noqa: PLR0913 - the members of a body
        self,
        kind: str,
        *,
        time: int,
        readings: Mapping[str, float] | None = None,
        content: dict[str, Any] | None = None,
        anchor: Cited | None = None,
        source: Mapping[str, Any] | None = None,
    ) -> bytes:
        """The body that `seal` would sign, for who signs it later; `follow` goes on behind it."""
        return self._author.compose(
            kind=kind,
            seq=self.seq,
            prev=self.prev,
            anchor=anchor,
            time=time,
            readings=readings,
            content=content,
            source=source,
        )

    def enclose(
        self, topic: SparkplugTopic, payload: bytes, *, time: int, anchor: Cited | None = None
    ) -> Entry:
        """As `seal`, for a payload that is not JSON: numbered and signed in its header."""
        body = Header(
            device=self._topic.machine,
            session=self.session,
            seq=self.seq,
            prev=self.prev,
            anchor=anchor,
            time=time,
            payload=payload_hash(payload),
            key=self._key.key_id,
        ).to_body()
        header = seal_header(self._key, topic, body)
        return Entry(topic.type, (self.session, self.seq), payload, body_hash(body), header)

    def advance(self, entry: Entry) -> None:
        """Go on after an entry of this chain that has been kept."""
        assert entry.place == (self.session, self.seq), "entries are kept in order"
        self.seq += 1
        self.prev = entry.body_hash

    def follow(self, body: bytes) -> None:
        """Go on after a body that was drafted."""
        self.seq += 1
        self.prev = body_hash(body)
