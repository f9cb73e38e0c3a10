"""Proofs that a collector made which lies: every signature and path holds, the judgement does not.

Bodies that a machine did sign, some of them such as no strict parse takes, are recorded twice:
as they are judged, which verifies, and otherwise, which does not.
"""

import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256

from verify_world import START, US, Machine, World, machines, record_bytes, seed, small_world

from anchor.key_entry import FIRST_LINE, POSSESSION_TAG, revoke
from anchor.merkle import inclusion_path, leaf_hash
from anchor.note import COSIGNATURE, sign_note
from anchor.proof_file import IncludedEntry, ProofFile
from anchor.tlog_proof import TlogProof
from telemetry.canonical import b64
from telemetry.judgement import judge
from telemetry.message import Cited
from telemetry.record import Record
from telemetry.signature import SigningKey, body_hash, join, key_id

KEY = SigningKey.from_seed(seed(100))
TIME = "2025-11-24T16:00:00.000000Z"
TOPIC = "acme/north/milling/line1/mill-0/telemetry"
GOOD = {
    "device": '"mill-0"',
    "session": '"s1"',
    "seq": "7",
    "prev": "null",
    "anchor": "null",
    "time": f'"{TIME}"',
    "readings": '{"t":1.5}',
    "key": f'"{KEY.key_id}"',
}
HASH = b64(bytes(32))
METRIC = (
    '{"metrics":{"t":{"unit":"Cel","low":0,"high":1}},"kind":"mill","public_key":"' + HASH + '"}'
)

MEMBERS: dict[str, list[str]] = {
    "device": ['"mill-1"', '"Mill-0"', "null", "7", '""', '"mill-0\\u0000"', '"mill\\u002d0"'],
    "session": ['"s 1"', '"%s"' % ("s" * 64), '"%s"' % ("s" * 65), "[]", '"\\ud800"'],
    "seq": [
        "-1",
        "-0",
        "0",
        "07",
        "1.0",
        "1e3",
        "9223372036854775807",
        "9223372036854775808",
        "true",
        '"7"',
        "null",
        "+7",
        "7 ",
        "0x7",
    ],
    "prev": [f'"{HASH}"', f'"{HASH[:-2]}B="', f'"{HASH[:-1]}"', '""', "0", f'"{b64(bytes(31))}"'],
    "anchor": [
        f'{{"size":3,"note":"{HASH}"}}',
        f'{{"note":"{HASH}","size":3,"more":[{{}}]}}',
        f'{{"size":3.0,"note":"{HASH}"}}',
        f'{{"size":-0,"note":"{HASH}"}}',
        f'{{"size":3,"size":3,"note":"{HASH}"}}',
        '{"size":3}',
        "[]",
    ],
    "time": [
        f'"{text}"'
        for text in (
            "2024-02-29T23:59:59.999999Z",
            "2025-02-29T00:00:00.000000Z",
            "2025-04-31T00:00:00.000000Z",
            "1969-12-31T23:59:59.999999Z",
            "1970-01-01T00:00:00.000000Z",
            "9999-12-31T23:59:59.999999Z",
            "2025-11-24T24:00:00.000000Z",
            "2025-11-24T16:00:60.000000Z",
            "2025-13-01T00:00:00.000000Z",
            "2025-00-01T00:00:00.000000Z",
            "0000-01-01T00:00:00.000000Z",
            "2025-11-24T16:00:00.00000Z",
            "2025-11-24T16:00:00.0000000Z",
            "2025-11-24t16:00:00.000000z",
            "2025-11-24 16:00:00.000000Z",
            "2025-11-24T16:00:00,000000Z",
            "2025-11-24T16:00:00.000000+",
            "2025-11-24T16:00:00.00000\u0660Z",
        )
    ],
    "readings": [
        "{}",
        "[]",
        '{"t":true}',
        '{"t":"1"}',
        '{"t":null}',
        '{"t":1e400}',
        '{"t":-1e400}',
        '{"t":1e-400}',
        '{"t":1E+3,"v":-0.0e0}',
        '{"t":NaN}',
        '{"t":Infinity}',
        '{"t":.5}',
        '{"t":5.}',
        '{"t":01}',
        '{"t":1e}',
        '{"t":9223372036854775808}',
        '{"t":-9223372036854775808}',
        '{"t":-9223372036854775809}',
        '{"t":9223372036854775808.0}',
        '{"t":0.%s}' % ("1" * 62),
        '{"t":0.%s}' % ("1" * 63),
        '{"t":1,"t":2}',
        '{"t":1,"\\u0074":2}',
        '{"\\u0000":1}',
        '{"\\ud83d\\ude00":1,"\U0001f600 ":2}',
        '{"\U0001f600":1,"\\ud83d\\ude00":2}',
        '{"\\ud83d":1}',
        '{"\\ude00\\ud83d":1}',
        '{"\\/":1,"\\b\\f\\n\\r\\t":2}',
        '{"\\x41":1}',
        '{"\\u00e":1}',
        '{"a\tb":1}',
        '{"a\x7fb\u2028\ufeff":1}',
        '{"__proto__":1,"constructor":2,"toString":3}',
        "{'t':1}",
        '{"t":1,}',
        '{"t" : 1 , "u"\t:\n2}',
        '{"t"\u00a0:1}',
        '{"t":1}/**/',
        '{"":1}',
    ],
    "key": [f'"{KEY.key_id.upper()}"', f'"{KEY.key_id}0"', f'"{key_id(seed(5))}"', "null"],
    "more": [
        "1",
        "[" * 31 + "]" * 31,
        "[" * 32 + "]" * 32,
        '"' + "[" * 40 + '"',
        "tru",
        "nul",
        '{"sig":"x"}',
        '"\\\\"',
        '"\\"]]"',
        "1_000",
        "--1",
        "1.5.5",
        "[1,,2]",
        "[,]",
    ],
    "scans": [f'[{{"time":"{TIME}","readings":{{"t":1}}}}]', "[]", "null"],
    "state": ['{"name":"Execute","number":6}', '{"name":"Execute","number":6.0}', '{"name":6}'],
    "event": ['{"name":"x"}', '{"name":null}', "{}"],
    "birth": [
        METRIC,
        METRIC.replace(HASH, b64(bytes(31))),
        METRIC.replace('"low":0,', ""),
        METRIC.replace('"low":0', '"low":false'),
        METRIC.replace('"unit":"Cel",', ""),
    ],
    "sig": ['"x"'],
    "s\\u0069g": ['"x"'],
}


def bodies() -> Iterator[tuple[str, str, bytes]]:
    """A name, a topic and a body each; all of them get a signature that holds."""
    yield "as it should be", TOPIC, _body(GOOD)
    for name, values in MEMBERS.items():
        for at, value in enumerate(values):
            yield f"{name} {at}", TOPIC, _body({**GOOD, name: value})
        if name in GOOD:
            yield f"no {name}", TOPIC, _body({k: v for k, v in GOOD.items() if k != name})
            yield f"{name} twice", TOPIC, _body(GOOD) + f',"{name}":{GOOD[name]}'.encode()
    scans = {k: v for k, v in GOOD.items() if k != "readings"}
    for at, value in enumerate(
        (
            f'[{{"time":"{TIME}","readings":{{}}}},{{"time":"{TIME}","readings":{{"t":2}},"x":1}}]',
            f'[{{"time":"{TIME}"}}]',
            '[{"readings":{}}]',
            "[1]",
            "[]",
            "{}",
        )
    ):
        yield f"scans alone {at}", TOPIC, _body({**scans, "scans": value})
    for kind in ("state", "event", "birth"):
        topic = TOPIC.replace("telemetry", kind)
        yield f"a {kind} without its content", topic, _body(GOOD)
        for at, value in enumerate(MEMBERS[kind]):
            yield f"a {kind} {at}", topic, _body({**scans, kind: value})
    whole = _body(GOOD)
    for name, body in {
        "space before": b" " + whole,
        "byte-order mark": b"\xef\xbb\xbf" + whole,
        "no UTF-8": whole.replace(b'"t"', b'"\xff"'),
        "overlong": whole.replace(b'"t"', b'"\xc1\xbf"'),
        "a surrogate in UTF-8": whole.replace(b'"t"', b'"\xed\xa0\x80"'),
        "a zero byte": whole.replace(b'"t"', b'"\x00"'),
        "a list": b"[" + whole[1:],
        "two objects": whole + b'},{"a":1',
        "spaces inside": whole.replace(b",", b" ,\r\n\t "),
        "nothing": b"",
        "a brace": b"{",
        "a MiB": _body({**GOOD, "more": '"%s"' % ("x" * (1 << 20))}),
    }.items():
        yield name, TOPIC, body
    for at, topic in enumerate(
        (
            "a/b/" + TOPIC,
            "/" + TOPIC,
            TOPIC + "/",
            TOPIC.replace("acme/", ""),
            TOPIC.replace("acme", "Acme"),
            TOPIC.replace("mill-0", "mill-1"),
            TOPIC.replace("telemetry", "death"),
            TOPIC.replace("telemetry", "Telemetry"),
            TOPIC.replace("acme/", "\u00e4/"),
            "plain",
            "spBv1.0/acme/DDATA/node/mill-0",
        )
    ):
        yield f"topic {at}", topic, whole


def _body(members: dict[str, str]) -> bytes:
    return ("{" + ",".join(f'"{name}":{value}' for name, value in members.items())).encode(
        "utf-8", "surrogatepass"
    )


def signed(topic: str, body: bytes, key: SigningKey = KEY) -> bytes:
    """Sign whatever is there, as if the topic's last six levels were a machine's."""
    levels = topic.split("/")[-6:]
    tag = f"factoryledger/{levels[-1]}/v1\0{'/'.join(levels)}\0".encode()
    return join(body, key.sign(tag + body))


@dataclass
class Liar:
    """A collector whose leaves may be anything; one publication anchors all of them."""

    world: World
    fleet: list[Machine]
    leaves: list[bytes] = field(default_factory=list)
    told: list[tuple[str, bytes, bytes, int, bytes, tuple[bytes, ...], bytes | None]] = field(
        default_factory=list
    )

    @classmethod
    def of(cls) -> "Liar":
        world, fleet = small_world(algorithms=(COSIGNATURE, COSIGNATURE))
        return cls(world, fleet, [record_bytes(row) for row in world.ledger.message_rows])

    def judged(self, topic: str, payload: bytes, properties: str | None = None) -> Record:
        """What an honest collector would record."""
        found = judge(topic, payload, self.world.collectors["c0"].keyring, properties)
        return Record(
            received=(START + 1000) * US,
            original=None,
            topic=topic,
            properties=properties,
            status=found.status,
            device=found.device,
            session=found.session,
            seq=found.seq,
            key=found.key,
            keys=found.keys,
            entry=found.entry,
            payload=sha256(payload).digest(),
            body=found.body_hash,
        )

    def tell(
        self,
        name: str,
        leaf: bytes | Record,
        payload: bytes,
        *,
        keys: tuple[bytes, ...] | None = None,
        cited: bytes | None = None,
    ) -> None:
        """Commit a leaf in a batch of its own; `keys` are the entries that its proof shows."""
        collector = self.world.collectors["c0"]
        rests = isinstance(leaf, Record) and leaf.entry is not None
        keys = keys if keys is not None else ((self.world.requests[0],) if rests else ())
        data = leaf.to_bytes() if isinstance(leaf, Record) else leaf
        place = collector.log.size
        extension = collector.log.extend([data])
        collector.log = extension.log
        self.leaves.append(data)
        self.world.pending.append(extension.checkpoint)
        self.told.append((name, data, payload, place, extension.checkpoint, keys, cited))

    def proofs(self) -> Iterator[tuple[str, ProofFile]]:
        """Anchor what was told, and give its proofs, none of them checked."""
        note = self.world.anchor_now()
        entries = [leaf_hash(entry) for entry in self.world.entries]
        hashes = [leaf_hash(leaf) for leaf in self.leaves]

        def included(entry: bytes) -> IncludedEntry:
            index = self.world.entries.index(entry)
            return IncludedEntry(entry, index, inclusion_path(entries, index))

        own = next(e for e in self.world.entries if b"enrol collector c0\n" in e)
        for name, leaf, payload, place, checkpoint, keys, cited in self.told:
            index = self.world.entries.index(checkpoint)
            yield (
                name,
                ProofFile(
                    payload=payload,
                    record=leaf,
                    message_proof=TlogProof(
                        place, inclusion_path(hashes[: place + 1], place), checkpoint
                    ),
                    checkpoint_proof=TlogProof(index, inclusion_path(entries, index), note),
                    keys=(included(own), *map(included, keys)),
                    cited=cited,
                ),
            )


def told_truly_and_falsely() -> Iterator[tuple[str, ProofFile, bytes, str]]:
    """Name, proof, policy, and what a verifier says: `valid` or `refused`."""
    liar = Liar.of()
    said = dict[str, str]()

    def tell(name: str, said_of_it: str, record: bytes | Record, payload: bytes, **more: object):
        assert name not in said, name
        said[name] = said_of_it
        liar.tell(name, record, payload, **more)

    entry = sha256(liar.world.requests[0]).digest()
    for name, topic, body in bodies():
        payload = signed(topic, body)
        true = liar.judged(topic, payload)
        tell(f"recorded truly: {name}", "valid", true, payload)
        tell(f"recorded falsely: {name}", "refused", _otherwise(true, entry), payload)
    _tell_headers(liar, tell, entry)
    _tell_records(liar, tell)
    _tell_keys(liar, tell)
    for name, proof in liar.proofs():
        yield name, proof, liar.world.policy_bytes, said[name]


def _otherwise(true: Record, entry: bytes) -> Record:
    """A record of a status that the message has not: accepted, or else malformed."""
    nobody = {"device": None, "session": None, "seq": None, "key": None, "entry": None, "keys": 0}
    if true.status == "accepted":
        return _changed(true, status="malformed", **nobody)
    named = {"device": "mill-0", "session": "s1", "seq": 7, "key": KEY.key_id, "keys": 3}
    body = true.body if true.body is not None else bytes(32)
    return _changed(true, status="accepted", entry=entry, body=body, **named)


def _changed(record: Record, **members: object) -> Record:
    return Record(**{name: getattr(record, name) for name in Record.__struct_fields__} | members)


def _tell_headers(liar: Liar, tell: object, entry: bytes) -> None:
    machine = replace(liar.fleet[0], cited=None)
    topic, payload, properties = machine.enclosed((START + 900) * US, b"\x00\x01")
    pairs = json.loads(properties)["user_properties"]
    value = pairs[0][1]
    for name, changed in {
        "as it should be": value,
        "a space": value.replace(",", ", ", 1),
        "another seq": value.replace('"seq":', '"seq":1', 1),
        "cut": value[:-1],
        "unused bits": value[:-5] + "B" + value[-4:],
        "a member more": value.replace('"key"', '"x":1,"key"', 1),
        "escaped": value.replace("mill-0", "mill\\u002d0", 1),
    }.items():
        kept = json.dumps({"user_properties": [[pairs[0][0], changed]]}, separators=(",", ":"))
        true = liar.judged(topic, payload, kept)
        tell(f"header, truly: {name}", "valid", true, payload)
        tell(f"header, falsely: {name}", "refused", _otherwise(true, entry), payload)
    twice = json.dumps({"user_properties": pairs * 2}, separators=(",", ":"))
    for name, where, what, kept in (
        ("two of them", topic, payload, twice),
        ("another payload", topic, b"\x00\x02", properties),
        ("another type", topic.replace("DDATA", "DCMD"), payload, properties),
        ("another device", topic.replace("mill-0", "mill-1"), payload, properties),
        ("sent again", f"x/ledger/outbox/{topic}", payload, properties),
        ("a longer topic", f"{topic}/more", payload, properties),
        ("a topic of ours", TOPIC, payload, properties),
    ):
        true = liar.judged(where, what, kept)
        tell(f"header, truly: {name}", "valid", true, what)
        tell(f"header, falsely: {name}", "refused", _otherwise(true, entry), what)


def _tell_records(liar: Liar, tell: object) -> None:
    payload = signed(TOPIC, _body(GOOD))
    true = liar.judged(TOPIC, payload)
    for name, value in {
        "device": "mill-1",
        "session": "s2",
        "seq": 8,
        "key": "0" * 16,
        "body": bytes(32),
        "topic": f"{TOPIC}x",
        "status": "revoked",
        "payload": bytes(32),
        "entry": bytes(32),
    }.items():
        tell(f"a record of another {name}", "refused", _changed(true, **{name: value}), payload)
    leaf, keys = true.to_bytes(), (liar.world.requests[0],)
    for name, changed in {
        "a space": leaf.replace(b",", b", ", 1),
        "a member more": leaf.replace(b"}", b',"more":1}'),
        "a member twice": leaf.replace(b'"seq":7', b'"seq":7,"seq":7'),
        "escaped otherwise": leaf.replace(b"acme", b"\\u0061cme"),
        "seq as a float": leaf.replace(b'"seq":7', b'"seq":7.0'),
        "version 2": leaf.replace(b'"record":1', b'"record":2'),
        "no status of ours": leaf.replace(b"accepted", b"believed"),
        "an original time not before": leaf.replace(
            b'"original":null', b'"original":%d' % true.received
        ),
        "properties of nothing": leaf.replace(b'"properties":null', b'"properties":"{}"'),
        "properties spelled otherwise": leaf.replace(
            b'"properties":null', b'"properties":"{\\"content_type\\": \\"x\\"}"'
        ),
        "a false indicator": leaf.replace(
            b'"properties":null', b'"properties":"{\\"payload_format_indicator\\":256}"'
        ),
    }.items():
        assert changed != leaf, name
        tell(f"a record with {name}", "refused", changed, payload, keys=keys)
    for at, kept in enumerate(
        (
            '{"payload_format_indicator":1,"content_type":"x","response_topic":"y/z"}',
            '{"correlation_data":"AAE=","user_properties":[["a","b"],["a","\\u00e4"]]}',
        )
    ):
        tell(f"properties {at}", "valid", liar.judged(TOPIC, payload, kept), payload)
    lifted = _changed(true, original=true.received - 1)
    tell("a record that was lifted", "valid", lifted, payload)


def _tell_keys(liar: Liar, tell: object) -> None:
    """Entries that the operator signed and no reader takes, and what their time in the log is."""
    world, weak = liar.world, (1).to_bytes(32, "little")
    other = SigningKey.from_seed(seed(101))
    first = f"{FIRST_LINE}\nenrol device mill-7\ntime {TIME}\n"
    prior = sha256(world.requests[0]).hexdigest()
    rotate = f"{FIRST_LINE}\nrotate device mill-0\ntime {TIME}\n"
    entries = {
        "as it should be": (_held(first, KEY.public_key, KEY), "valid"),
        "another's possession": (_held(first, KEY.public_key, other), "refused"),
        "a key of small order": (_held(first, weak, KEY), "refused"),
        "a name that is none": (
            _held(first.replace("mill-7", "Mill 7"), KEY.public_key, KEY),
            "refused",
        ),
        "no time": (_held(first.replace("T16", "T25"), KEY.public_key, KEY), "refused"),
        "a line more": (_held(f"{first}more 1\n", KEY.public_key, KEY), "refused"),
        "a later version": (_held(first.replace(" v1", " v3"), KEY.public_key, KEY), "refused"),
        "a v2 that v1 can say": (
            _held(first.replace(" v1", " v2"), KEY.public_key, KEY),
            "refused",
        ),
        "a rotation to the same key": (
            _held(rotate, KEY.public_key, KEY, f"prior {prior}\n"),
            "refused",
        ),
        "a rotation": (_held(rotate, other.public_key, other, f"prior {prior}\n"), "valid"),
        "a prior in capitals": (
            _held(rotate, other.public_key, other, f"prior {prior.upper()}\n"),
            "refused",
        ),
        "a revocation": (f"{FIRST_LINE}\nrevoke device mill-0\ntime {TIME}\nprior {prior}\n", "?"),
    }
    for name, (text, said) in entries.items():
        data = sign_note(text, world.operator)
        device = "mill-0" if " mill-0\n" in text else "mill-7"
        key = other if name.startswith(("a rotation", "a prior")) and "same" not in name else KEY
        topic = TOPIC.replace("mill-0", device)
        members = {**GOOD, "device": f'"{device}"', "key": f'"{key.key_id}"'}
        payload = signed(topic, _body(members), key)
        record = Record(
            received=(START + 1000) * US,
            original=None,
            topic=topic,
            properties=None,
            status="accepted" if said != "?" else "revoked",
            device=device,
            session="s1",
            seq=7,
            key=key.key_id,
            keys=4,
            entry=sha256(data).digest(),
            payload=sha256(payload).digest(),
            body=body_hash(payload[:-98]),
        )
        world.pending.append(data)
        keys = (data, world.requests[0]) if "prior " in text else (data,)
        told = "valid" if said == "?" else said
        tell(f"a key entry: {name}", told, record, payload, keys=keys)
    _tell_late(liar, tell)
    _tell_cited(liar, tell)


def _held(text: str, key: bytes, holder: SigningKey, more: str = "") -> str:
    whole = f"{text}key {b64(key)}\n{more}"
    held = holder.sign(f"{POSSESSION_TAG}\0{whole}".encode())
    return f"{whole}possession {b64encode(held).decode()}\n"


def _tell_late(liar: Liar, tell: object) -> None:
    """The entry stands in the log behind the checkpoint that relies on it."""
    world, machine = liar.world, machines(5)[4]
    text = f"{FIRST_LINE}\nenrol device {machine.name}\ntime {TIME}\n"
    data = sign_note(_held(text, machine.key.public_key, machine.key), world.operator)
    world.collectors["c0"].keyring.apply(world.authority.read(data))
    topic, payload = machine.message((START + 900) * US)
    tell("a key entry: too late", "refused", liar.judged(topic, payload), payload, keys=(data,))
    world.pending.append(data)
    ended = revoke(
        operator=world.operator,
        kind="device",
        name=machine.name,
        prior=sha256(data).digest(),
        time=START * US,
    )
    world.pending.append(ended)
    tell("a key entry: in time", "valid", liar.judged(topic, payload), payload, keys=(data,))


def citing_the_future() -> tuple[ProofFile, bytes]:
    """A message that cites a head which, by its own size, already had what anchors it."""
    liar = Liar.of()
    world = liar.world
    entries = list(world.entries)
    liar.tell("gone", liar.judged("a", b"b"), b"b")
    future = world.anchor_now()
    # The log goes back and signs another history: its machine has seen the first one.
    world.entries, liar.told = entries, []
    size = int(future.split(b"\n")[1])
    machine = replace(liar.fleet[0], cited=Cited(size, sha256(future).digest()))
    topic, payload = machine.message((START + 900) * US)
    liar.tell("citing", liar.judged(topic, payload), payload, cited=future)
    ((_, proof),) = liar.proofs()
    return proof, world.policy_bytes


def _tell_cited(liar: Liar, tell: object) -> None:
    """Another note of the same head, and what the log had by then."""
    world, machine = liar.world, liar.fleet[0]
    note = world.checkpoint
    assert note is not None
    world.now += 1
    again = world.cosign(note)
    assert again != note
    size = int(note.split(b"\n")[1])
    for name, cited, shown, said in (
        ("the one that it names", Cited(size, sha256(note).digest()), note, "valid"),
        ("another of the head", Cited(size, sha256(note).digest()), again, "refused"),
        ("another size", Cited(size - 1, sha256(note).digest()), note, "refused"),
    ):
        topic, payload = replace(machine, cited=cited).message((START + 900) * US)
        record = liar.judged(topic, payload)
        tell(f"citing: {name}", said, record, payload, cited=shown)
    future = liar.world.anchor_now()
    size = int(future.split(b"\n")[1])
    cited = Cited(size, sha256(future).digest())
    topic, payload = replace(machine, cited=cited).message((START + 900) * US)
    tell("citing: what was there", "valid", liar.judged(topic, payload), payload, cited=future)
