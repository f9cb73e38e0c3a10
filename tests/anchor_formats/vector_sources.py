"""Third parties' vectors, each a claim that the code has to accept or to refuse.

A claim is a function that raises an `AnchorError` where the code refuses. What no claim is
made of is named in `NOT_ASKED`.
"""

import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path

from cryptography import x509

from anchor.checkpoint import open_checkpoint
from anchor.errors import AnchorError, Malformed, Refused
from anchor.keeping.add_checkpoint import Answer, Seen, check_growth, read_request
from anchor.ledgers.ots.file import OtsFile
from anchor.ledgers.tsa.voucher import TsaVoucher
from anchor.merkle import check_consistency, check_inclusion, leaf_hash, tree_root
from anchor.note import Note, VerifierKey
from anchor.reading.log_audit import audit_log
from anchor.reading.log_files import Layout
from anchor.reading.log_reader import LogReader
from anchor.reading.log_source import FolderSource
from anchor.tile import Tile, entries_path, tiles_of
from anchor.tlog_proof import TlogProof
from anchor.tree_head import Checkpoint

NOT_ASKED = {
    "rfc3161/identrust": "what it stamps is not in the folder",
    "c2sp/examples.json, argon2024_sth": "an RFC 6962 tree head, which is no checkpoint",
}

Claim = Callable[[], object]


@dataclass
class Source:
    """The claims of one file or folder, in its order, each with whether it has to hold."""

    name: str
    claims: list[tuple[bool, Claim]] = field(default_factory=list)

    def accept(self, claim: Callable[..., object], *arguments) -> None:
        self.claims.append((True, partial(claim, *arguments)))

    def refuse(self, claim: Callable[..., object], *arguments) -> None:
        self.claims.append((False, partial(claim, *arguments)))

    def judged(self) -> tuple[int, int, int, int]:
        """Accepted and to accept, refused and to refuse."""
        answers = [(good, _holds(claim)) for good, claim in self.claims]
        good = [answer for due, answer in answers if due]
        bad = [answer for due, answer in answers if not due]
        return sum(good), len(good), len(bad) - sum(bad), len(bad)


def _holds(claim: Claim) -> bool:
    try:
        claim()
    except AnchorError:
        return False
    return True


def sources(folder: Path) -> Iterator[Source]:
    """Every source of the folder that the anchor's formats concern."""
    yield merkle(folder, "inclusion", inclusion)
    yield merkle(folder, "consistency", consistency)
    yield notes(folder)
    yield vkeys(folder)
    yield tile_paths(folder)
    yield proof_forms(folder)
    yield tessera(folder)
    yield sumdb(folder)
    yield witness(folder)
    yield attacks(folder)
    yield ots(folder)
    yield rfc3161(folder)


def load(folder: Path, name: str):
    return json.loads((folder / name).read_text())


# -- RFC 6962 and 9162 -------------------------------------------------------------------


def merkle(folder: Path, name: str, claim: Callable[..., object]) -> Source:
    found = Source(f"rfc6962-merkle/{name}.json")
    for vector in load(folder, f"rfc6962-merkle/{name}.json"):
        (found.refuse if vector["wantErr"] else found.accept)(claim, vector)
    return found


def inclusion(vector) -> None:
    check_inclusion(
        leaf=b64decode(vector["leafHash"]),
        index=vector["leafIdx"],
        size=vector["treeSize"],
        path=[b64decode(step) for step in vector["proof"] or ()],
        root=b64decode(vector["root"]),
    )


def consistency(vector) -> None:
    check_consistency(
        old_size=vector["size1"],
        old_root=b64decode(vector["root1"]),
        size=vector["size2"],
        root=b64decode(vector["root2"]),
        path=[b64decode(step) for step in vector["proof"] or ()],
    )


# -- C2SP --------------------------------------------------------------------------------


def notes(folder: Path) -> Source:
    """Each real note holds; under another origin, key or with another text it does not."""
    examples, found = load(folder, "c2sp/examples.json"), Source("c2sp/examples.json, notes")
    example = examples["signed_note_example"]
    found.accept(signed, example["note"], example["vkey"])
    found.refuse(signed, example["note"].replace("an example", "no example"), example["vkey"])
    rekor = examples["rekor_v1_checkpoint"]
    found.accept(opened, rekor["note"], rekor["vkey"], "Rekor")
    found.refuse(opened, rekor["note"], rekor["vkey"], None)
    found.refuse(opened, rekor["note"].replace("8034", "8035"), rekor["vkey"], "Rekor")
    found.accept(reread, examples["parse_only"]["checkpoint"])
    found.accept(reread, examples["rome_static_ct"]["note"])
    monkeys = examples["witness_monkeys"]
    steps = [bytes.fromhex(step) for step in monkeys["consistency_hex"]]
    found.accept(grown, monkeys, steps)
    found.refuse(grown, monkeys, steps[::-1])
    return found


def signed(note: str, vkey: str) -> None:
    Note.from_bytes(note.encode()).signed_by(VerifierKey.from_text(vkey))


def opened(note: str, vkey: str, origin: str | None) -> None:
    open_checkpoint(note.encode(), VerifierKey.from_text(vkey), origin=origin)


def reread(note: str) -> None:
    read = Note.from_bytes(note.encode())
    Checkpoint.from_text(read.text)
    if read.to_bytes() != note.encode():
        raise Malformed("written differently")


def grown(monkeys, path) -> None:
    key = VerifierKey.from_text(monkeys["vkey"])
    old, new = (open_checkpoint(monkeys[name].encode(), key) for name in ("init", "next"))
    check_consistency(old_size=old.size, old_root=old.root, size=new.size, root=new.root, path=path)


def vkeys(folder: Path) -> Source:
    """Type 0x05 (RFC 6962 tree heads) is a vkey of C2SP's that this code does not support."""
    examples, found = load(folder, "c2sp/examples.json"), Source("vkeys: examples, logs.yaml")
    listed = re.findall(r"PublicKey: (\S+)", (folder / "witness/logs.yaml").read_text())
    for vkey in (*examples["vkeys_valid"], *listed):
        found.accept(key_reread, vkey)
    for vkey in (*examples["vkeys_invalid"], examples["rome_static_ct"]["vkey"]):
        found.refuse(key_reread, vkey)
    return found


def key_reread(vkey: str) -> None:
    if str(VerifierKey.from_text(vkey)) != vkey:
        raise Malformed("written differently")


def tile_paths(folder: Path) -> Source:
    vectors, found = load(folder, "c2sp/tile_paths.json"), Source("c2sp/tile_paths.json")
    for number, place in vectors["encode"]:
        found.accept(place_is, number, place)
    for size, expected in vectors["coverage"].items():
        found.accept(covers, int(size), expected)
    for path in vectors["bad_paths"]:
        found.refuse(Tile.from_path, path)
    return found


def place_is(number: int, place: str) -> None:
    if entries_path(number) != f"tile/entries/{place}":
        raise Malformed("another path")
    if Tile.from_path(f"tile/0/{place}") != Tile(0, number):
        raise Malformed("another tile")


def covers(size: int, expected: list[str]) -> None:
    paths = [tile.path for tile in tiles_of(size)]
    full = "tile/0/000..tile/0/272 full"
    if full in expected:
        rows = [Tile(0, n).path for n in range(273)]
        expected = [*rows, *(path for path in expected if path != full)]
    if paths != expected:
        raise Malformed("other tiles")


def proof_forms(folder: Path) -> Source:
    vectors = load(folder, "c2sp/tlog_proof_parse.json")
    found = Source("c2sp/tlog_proof_parse.json")
    for text in vectors["valid"]:
        found.accept(proof_reread, text)
    for text, _reason in vectors["invalid"]:
        found.refuse(TlogProof.from_bytes, text.encode())
    return found


def proof_reread(text: str) -> None:
    if TlogProof.from_bytes(text.encode()).to_bytes() != text.encode():
        raise Malformed("written differently")


# -- strangers' logs ---------------------------------------------------------------------


def tessera(folder: Path) -> Source:
    """Sixteen heads, each over its tiles and grown from the one before; none under false tiles."""
    log, found = folder / "tessera-log/log", Source("tessera-log")
    key = VerifierKey.from_text((folder / "tessera-log/log.vkey").read_text().strip())
    reader = LogReader(FolderSource(log), key)
    notes_ = [(log / f"checkpoint.{size}").read_bytes() for size in range(16)]
    for size, note in enumerate(notes_):
        found.accept(head_over, reader, note, size)
        found.refuse(head_over, reader, note.replace(b"\n%d\n" % size, b"\n16\n"), 16)
    for older, newer in pairwise(notes_[1:]):
        found.accept(follows, reader, older, newer)
        found.refuse(follows, reader, older, newer, bytes(32))
    found.accept(clean, reader)
    return found


def head_over(reader: LogReader, note: bytes, size: int) -> None:
    head = reader.open(note)
    leaves = [leaf_hash(entry) for entry in reader.entries(0, size)] if size else []
    if (head.size, head.root) != (size, tree_root(leaves)):
        raise Refused("another root")


def follows(reader: LogReader, older: bytes, newer: bytes, root: bytes | None = None) -> None:
    old, new = reader.open(older), reader.open(newer)
    view = reader.at(new)
    check_consistency(
        old_size=old.size, old_root=root or old.root, size=new.size, root=new.root,
        path=view.consistency(old.size),
    )  # fmt: skip


def clean(reader: LogReader) -> None:
    findings = audit_log(reader).findings
    if findings:
        raise Refused(findings[0].detail)


def sumdb(folder: Path) -> Source:
    """Go's head of three million entries over 75 tiles: every leaf tile that is there."""
    found = Source("sumdb")
    found.accept(lambda: go(folder).view)
    for path in sorted(FolderSource(folder / "sumdb").paths("tile/8/0/")):
        tile = Tile.from_path(path.replace("tile/8/", "tile/", 1))
        if tile.width == 256:
            found.accept(proved, folder, tile.number * 256, None)
            found.refuse(proved, folder, tile.number * 256, path)
    return found


class Forged(FolderSource):
    """A folder whose one file has its first hash replaced."""

    def __init__(self, folder: Path, path: str | None) -> None:
        super().__init__(folder)
        self.path = path

    def read(self, path: str, limit: int = 1 << 24) -> bytes:
        data = super().read(path, limit)
        return bytes(32) + data[32:] if path == self.path else data


def go(folder: Path, source: FolderSource | None = None) -> LogReader:
    key = VerifierKey.from_text((folder / "sumdb/log.vkey").read_text().strip())
    source = source or FolderSource(folder / "sumdb")
    layout = Layout(checkpoint="latest", tile="tile/8")
    return LogReader(source, key, layout=layout, origin="go.sum database tree")


def proved(folder: Path, index: int, forged: str | None) -> None:
    view = go(folder, Forged(folder / "sumdb", forged)).view
    root, size = view.checkpoint.root, view.checkpoint.size
    check_inclusion(
        leaf=view.leaf(index), index=index, size=size, path=view.inclusion(index), root=root
    )


# -- witnesses and attacks ---------------------------------------------------------------


def witness(folder: Path) -> Source:
    """Each step of torchwood's scripts: what tlog-witness lets a witness answer."""
    found = Source("witness/add_checkpoint_sequences.json")
    for script in load(folder, "witness/add_checkpoint_sequences.json"):
        seen = [Seen()]
        for step in script["sequence"]:
            due = step["spec_status"]
            due = set(due) if isinstance(due, list) else {due}
            (found.accept if due == {200} else found.refuse)(asked, script, step, seen, due)
    return found


def asked(script, step, seen: list[Seen], due: set[int]) -> None:
    key = VerifierKey.from_text(script["log_vkey"])
    try:
        request, note, head = read_request(step["body"].encode(), {script["origin"]: [key]})
        check_growth(request, head, seen[-1])
    except Answer as answer:
        if answer.status not in due:
            raise AssertionError(f"{answer.status} where {due} is due") from answer
        raise
    seen.append(Seen(head.size, head.root, note.to_bytes()))


def attacks(folder: Path) -> Source:
    """The forged tile of CVE-2026-56865; the other attacks come without bytes of their own."""
    found = Source("attacks/known.json, forged tile")
    known = load(folder, "attacks/known.json")["cve_2026_56865_forged_tile"]
    path = known["tile"].removeprefix("sumdb/")
    found.accept(proved, folder, known["index"], None)
    found.refuse(forged_tile, folder, known, path)
    return found


def forged_tile(folder: Path, known, path: str) -> None:
    class Patched(FolderSource):
        def read(self, asked_: str, limit: int = 1 << 24) -> bytes:
            data = bytearray(super().read(asked_, limit))
            if asked_ == path:
                at, patch = known["patch_offset"], bytes.fromhex(known["patch_hex"])
                data[at : at + len(patch)] = patch
            return bytes(data)

    go(folder, Patched(folder / "sumdb")).view.leaf(known["index"])


# -- outside ledgers ---------------------------------------------------------------------


def ots(folder: Path) -> Source:
    """Every published file of OpenTimestamps, written again byte for byte; the invalid ones."""
    found = Source("ots")
    for path in sorted((folder / "ots").rglob("*.ots")):
        claim = found.refuse if path.parent.name == "invalid" else found.accept
        claim(ots_reread, path)
    return found


def ots_reread(path: Path) -> None:
    if OtsFile.from_bytes(path.read_bytes()).to_bytes() != path.read_bytes():
        raise Malformed("written differently")


def rfc3161(folder: Path) -> Source:
    """Stamps over "hello"; false, expired, of another authority, without its certificate."""
    found, place = Source("rfc3161"), folder / "rfc3161"
    good = [f"sigstage/response-sha{bits}.tsr" for bits in (256, 384, 512)]
    for name in (*good, "test_tsa/response.tsr", "test_tsa/response-injected-certs.tsr"):
        found.accept(stamped, place / name, b"hello")
        found.refuse(stamped, place / name, b"hallo")
    for name in ("response-invalid-signature.tsr", "response-no-embedded-cert.tsr"):
        found.refuse(stamped, place / "sigstage" / name, b"hello")
    mock = place / "sigstore.mock"
    found.refuse(stamped, mock / "response-expired.tsr", (mock / "payload").read_bytes())
    found.refuse(stamped, place / "test_tsa/other_response.tsr", b"hello")
    return found


def stamped(path: Path, message: bytes) -> None:
    chain = x509.load_pem_x509_certificates((path.parent / "ts_chain.pem").read_bytes())
    TsaVoucher(path.parent.name, chain).check(message, path.read_bytes())
