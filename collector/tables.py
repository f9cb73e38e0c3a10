"""The store's tables (docs/formats.md, Store), for SQLite and for PostgreSQL.

Names are fixed: the anchor, auditors and people's own queries rely on them. The view
`readings` is in the migrations. Nothing here connects to anything.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, MetaData, Table
from sqlalchemy import Text as AnyText

PARTITION: Final = 10_000_000
"""Positions of a partition of `messages` on PostgreSQL: `messages_<n>` begins at n times this."""

metadata = MetaData()

# In order of their bytes whatever the database's language: pages of rows go on by it, and a
# claim's place is the same everywhere.
Text = AnyText().with_variant(AnyText(collation="C"), "postgresql")

collectors = Table(
    "collectors",
    metadata,
    Column("id", Text, primary_key=True),
    Column("ordinal", Integer, nullable=False, unique=True),  # order of creation, from 0
    Column("origin", Text, nullable=False),
    Column("vkey", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("source_sha256", LargeBinary),
    Column("source_line", BigInteger),
    Column("session", Text),  # the broker's, which this collector goes on with
    sqlite_with_rowid=False,
)

messages = Table(
    "messages",
    metadata,
    Column("collector", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("received_at", BigInteger, nullable=False),
    Column("original_at", BigInteger),
    Column("topic", Text, nullable=False),
    Column("payload", LargeBinary),
    Column("properties", Text),
    Column("device", Text),
    Column("session", Text),
    Column("seq", BigInteger),
    Column("time", BigInteger),
    Column("status", Text, nullable=False),
    Column("key", Text),
    Column("keys", BigInteger, nullable=False),
    Column("entry", LargeBinary),
    Column("payload_hash", LargeBinary, nullable=False),
    Column("body_hash", LargeBinary),
    postgresql_partition_by="RANGE (position)",
)

# Partial: foreign messages cost this index nothing.
Index(
    "messages_accepted",
    messages.c.device,
    messages.c.time,
    sqlite_where=messages.c.status == "accepted",
    postgresql_where=messages.c.status == "accepted",
)

# When each scan of a message with `scans` was made, so that one machine's hour is an index
# search there too. The view shows a scan only where the payload says the same.
scans = Table(
    "scans",
    metadata,
    Column("collector", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("device", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("scans_device", scans.c.device, scans.c.time)

# What accepted Sparkplug messages say (`telemetry.decoding`); `audit` derives it again.
decoded = Table(
    "decoded",
    metadata,
    Column("collector", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("device", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("metric", AnyText, nullable=False),
    Column("value", Double, nullable=False),
    sqlite_with_rowid=False,
)
Index("decoded_device", decoded.c.device, decoded.c.time)

# Where the births are that name the metrics of a session's data.
births = Table(
    "births",
    metadata,
    Column("device", Text, primary_key=True),
    Column("session", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("collector", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Below `next`, a collector's messages are decoded.
decodings = Table(
    "decodings",
    metadata,
    Column("collector", Text, primary_key=True),
    Column("next", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Births that came late: below `next`, what their session says since is decoded anew.
redecodings = Table(
    "redecodings",
    metadata,
    Column("device", Text, primary_key=True),
    Column("session", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("next", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

batches = Table(
    "batches",
    metadata,
    Column("collector", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("start", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("checkpoint", LargeBinary, nullable=False),
    Column("keys", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

claims = Table(
    "claims",
    metadata,
    Column("device", Text, primary_key=True),
    Column("session", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("collector", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("body_hash", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# A body hash stands for the device, session and seq inside that body.
sightings = Table(
    "sightings",
    metadata,
    Column("body_hash", LargeBinary, primary_key=True),
    Column("status", Text, primary_key=True),
    Column("device", Text),
    Column("session", Text),
    Column("seq", BigInteger),
    Column("collector", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

tiles = Table(
    "tiles",
    metadata,
    Column("collector", Text, primary_key=True),
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
)

key_entries = Table(
    "key_entries",
    metadata,
    Column("collector", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
    Column("entry", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

counters = Table(
    "counters",
    metadata,
    Column("collector", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Numbers of a session that nobody has taken, though a later one is there; since when.
gaps = Table(
    "gaps",
    metadata,
    Column("device", Text, primary_key=True),
    Column("session", Text, primary_key=True),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Each session; once its message 0 is there (`started`), whom that one names, and which message
# of another session that is.
sessions = Table(
    "sessions",
    metadata,
    Column("device", Text, primary_key=True),
    Column("session", Text, primary_key=True),
    Column("started", Integer, nullable=False),
    Column("prev", LargeBinary),
    Column("after_session", Text),
    Column("after_seq", BigInteger),
    Column("since", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Partial: almost every session's start is found at once.
Index(
    "sessions_loose",
    sessions.c.since,
    sqlite_where=sessions.c.prev.is_not(None) & sessions.c.after_session.is_(None),
    postgresql_where=sessions.c.prev.is_not(None) & sessions.c.after_session.is_(None),
)

# Messages that do not follow on: `link`, `start`, `lost`, `fork` (docs/formats.md, Store).
breaks = Table(
    "breaks",
    metadata,
    Column("device", Text, primary_key=True),
    Column("session", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, primary_key=True),
    Column("since", BigInteger, nullable=False),
    Column("other_session", Text),
    Column("other_seq", BigInteger),
    sqlite_with_rowid=False,
)

# How far the payloads of an erasure, by its entry's hash, are gone: below `next`, all of them.
erasures = Table(
    "erasures",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("collector", Text, nullable=False),
    Column("next", BigInteger, nullable=False),
    Column("erased", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Messages that this release failed to judge: kept whole beside the log, never mislabelled.
refusals = Table(
    "refusals",
    metadata,
    Column("collector", Text, primary_key=True),
    Column("hash", LargeBinary, primary_key=True),  # SHA-256 of topic, 0x00, payload
    Column("received_at", BigInteger, nullable=False),
    Column("topic", LargeBinary, nullable=False),  # its UTF-8 bytes, surrogates passed through
    Column("payload", LargeBinary, nullable=False),
    Column("properties", Text),
    Column("reason", Text, nullable=False),
)
