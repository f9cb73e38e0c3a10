"""Third parties' vectors: what they accept is accepted, what they reject is refused.

Sources and licences are in the folder's SOURCES.md. Run with `-s` to see the counts.
"""

# ruff: noqa: T201 - the counts of vectors are for people to see

import json
from base64 import b64decode

import pytest

from anchor.checkpoint import Checkpoint, open_checkpoint
from anchor.cosignature import check_cosignature
from anchor.errors import AnchorError, Malformed, Refused
from anchor.merkle import (
    check_consistency,
    check_inclusion,
    consistency_from_tiles,
    inclusion_from_tiles,
    leaf_hash,
    root_from_tiles,
    tree_root,
)
from anchor.note import ECDSA, ED25519, Note, VerifierKey
from anchor.tile import Tile, entries_path, tiles_of, unpack_entries
from anchor.tlog_proof import TlogProof

pytestmark = pytest.mark.vectors


def load(folder, name):
    return json.loads((folder / name).read_text())


def hashes_of(vector, *names):
    return [b64decode(vector[name]) for name in names]


def judged(check, vectors):
    """How many a check accepted and refused, each as the vector says."""
    accepted = refused = 0
    for vector in vectors:
        if vector["wantErr"]:
            with pytest.raises(Refused):
                check(vector)
            refused += 1
        else:
            check(vector)
            accepted += 1
    return accepted, refused


def inclusion(vector):
    leaf, root = hashes_of(vector, "leafHash", "root")
    path = [b64decode(step) for step in vector["proof"] or ()]
    check_inclusion(
        leaf=leaf, index=vector["leafIdx"], size=vector["treeSize"], path=path, root=root
    )


def consistency(vector):
    old_root, root = hashes_of(vector, "root1", "root2")
    path = [b64decode(step) for step in vector["proof"] or ()]
    check_consistency(
        old_size=vector["size1"], old_root=old_root, size=vector["size2"], root=root, path=path
    )


def test_inclusion_of_transparency_dev(vectors):
    accepted, refused = judged(inclusion, load(vectors, "rfc6962-merkle/inclusion.json"))
    print(f"\ninclusion: {accepted} accepted, {refused} refused")
    assert (accepted, refused) == (6, 92)


def test_consistency_of_transparency_dev(vectors):
    accepted, refused = judged(consistency, load(vectors, "rfc6962-merkle/consistency.json"))
    print(f"\nconsistency: {accepted} accepted, {refused} refused")
    assert (accepted, refused) == (6, 92)


def test_the_note_of_the_specification(vectors):
    example = load(vectors, "c2sp/examples.json")["signed_note_example"]
    key = VerifierKey.from_text(example["vkey"])
    note = Note.from_bytes(example["note"].encode())
    note.signed_by(key)
    assert note.to_bytes() == example["note"].encode()
    assert str(key) == example["vkey"]


def test_a_real_note_signed_by_ecdsa(vectors):
    """Rekor's: read, and only under its own origin, which is not its key's name."""
    example = load(vectors, "c2sp/examples.json")["rekor_v1_checkpoint"]
    key = VerifierKey.from_text(example["vkey"])
    assert key.algorithm == ECDSA
    data = example["note"].encode()
    assert open_checkpoint(data, key, origin="Rekor").size == 798034
    with pytest.raises(Refused):
        open_checkpoint(data, key)
    with pytest.raises(Refused):
        open_checkpoint(data.replace(b"798034", b"798035"), key, origin="Rekor")


def test_certificate_transparency_s_signatures_are_not_supported(vectors):
    """Type 0x05 has another signed structure; it is refused, not misread."""
    example = load(vectors, "c2sp/examples.json")["rome_static_ct"]
    with pytest.raises(Malformed, match="not supported"):
        VerifierKey.from_text(example["vkey"])
    head = Checkpoint.from_text(Note.from_bytes(example["note"].encode()).text)
    assert head.size == 115474666


def test_vkeys_of_transparency_dev(vectors):
    examples = load(vectors, "c2sp/examples.json")
    for vkey in examples["vkeys_valid"]:
        assert str(VerifierKey.from_text(vkey)) == vkey
    for vkey in examples["vkeys_invalid"]:
        with pytest.raises(Malformed):
            VerifierKey.from_text(vkey)
    assert (len(examples["vkeys_valid"]), len(examples["vkeys_invalid"])) == (3, 3)


def test_the_specification_s_cosigned_checkpoint_is_read(vectors):
    example = load(vectors, "c2sp/examples.json")["parse_only"]
    note = Note.from_bytes(example["checkpoint"].encode())
    assert note.to_bytes() == example["checkpoint"].encode()
    assert Checkpoint.from_text(note.text).size == 20852163
    assert int.from_bytes(note.signatures[1].value[:8], "big") == example["cosig_time"]


def test_a_cosignature_s_time(vectors):
    example = load(vectors, "c2sp/examples.json")["cosig_v1_timestamp"]
    note = f"text\n\n\u2014 w {example['sig']}\n"
    value = Note.from_bytes(note.encode()).signatures[0].value
    assert (int.from_bytes(value[:8], "big"), len(value)) == (example["timestamp"], 72)


def test_a_witness_s_consistency_sample(vectors):
    sample = load(vectors, "c2sp/examples.json")["witness_monkeys"]
    key = VerifierKey.from_text(sample["vkey"])
    old, new = (open_checkpoint(sample[name].encode(), key) for name in ("init", "next"))
    path = [bytes.fromhex(step) for step in sample["consistency_hex"]]
    claim = dict(old_size=old.size, old_root=old.root, size=new.size, root=new.root)
    check_consistency(path=path, **claim)
    with pytest.raises(Refused):
        check_consistency(path=path[::-1], **claim)


def test_tile_paths_of_the_specification(vectors):
    vectors = load(vectors, "c2sp/tile_paths.json")
    for number, place in vectors["encode"]:
        assert entries_path(number) == f"tile/entries/{place}"
        assert Tile.from_path(f"tile/0/{place}") == Tile(0, number)
    for path in vectors["bad_paths"]:
        with pytest.raises(Malformed):
            Tile.from_path(path)
    for size, expected in vectors["coverage"].items():
        paths = [tile.path for tile in tiles_of(int(size))]
        if size == "70000":
            assert paths[:273] == [Tile(0, n).path for n in range(273)]
            paths = ["tile/0/000..tile/0/272 full", *paths[273:]]
        assert paths == expected
    print(f"\ntile paths: {len(vectors['encode'])} written, {len(vectors['bad_paths'])} refused")
    assert (len(vectors["encode"]), len(vectors["bad_paths"])) == (7, 10)


def test_proof_forms_of_transparency_dev(vectors):
    vectors = load(vectors, "c2sp/tlog_proof_parse.json")
    for text in vectors["valid"]:
        assert TlogProof.from_bytes(text.encode()).to_bytes() == text.encode()
    for text, _reason in vectors["invalid"]:
        with pytest.raises(Malformed):
            TlogProof.from_bytes(text.encode())
    print(f"\nproof forms: {len(vectors['valid'])} read, {len(vectors['invalid'])} refused")
    assert (len(vectors["valid"]), len(vectors["invalid"])) == (1, 8)


def test_every_checkpoint_of_tessera_s_log(vectors):
    """Sixteen heads, their tiles and bundles, and the consistency of every pair."""
    folder = vectors / "tessera-log"
    key = VerifierKey.from_text((folder / "log.vkey").read_text().strip())
    entries = unpack_entries((folder / "log" / entries_path(0, 15)).read_bytes())
    leaves = [leaf_hash(entry) for entry in entries]

    def tile(level, number, width):
        return (folder / "log" / Tile(level, number, width).path).read_bytes()

    heads = [
        open_checkpoint((folder / "log" / f"checkpoint.{size}").read_bytes(), key)
        for size in range(16)
    ]
    for size, head in enumerate(heads):
        assert (head.size, head.root) == (size, tree_root(leaves[:size]))
        assert root_from_tiles(size, tile) == head.root
        if size:
            assert (
                unpack_entries((folder / "log" / entries_path(0, size)).read_bytes())
                == (entries[:size])
            )
        for old in heads[1:size]:
            check_consistency(
                old_size=old.size,
                old_root=old.root,
                size=size,
                root=head.root,
                path=consistency_from_tiles(old.size, size, tile),
            )
    assert open_checkpoint((folder / "log" / "checkpoint").read_bytes(), key) == heads[15]


class Sumdb:
    """sum.golang.org's tiles, under its own layout; `patch` forges one of them."""

    def __init__(self, folder, patch=None):
        self.folder = folder
        self.patch = patch

    def __call__(self, level, number, width):
        path = Tile(level, number, width).path.replace("tile/", "tile/8/", 1)
        data = (self.folder / path).read_bytes()
        if self.patch and self.patch["tile"].endswith(path):
            at, forged = self.patch["patch_offset"], bytes.fromhex(self.patch["patch_hex"])
            data = data[:at] + forged + data[at + len(forged) :]
        return data


@pytest.fixture
def sumdb(vectors):
    folder = vectors / "sumdb"
    key = VerifierKey.from_text((folder / "log.vkey").read_text().strip())
    assert key.algorithm == ED25519
    return open_checkpoint((folder / "latest").read_bytes(), key, origin="go.sum database tree")


def test_sum_golang_org_s_head_is_over_its_tiles(vectors, sumdb):
    """Three million entries; the root comes from three tiles of the right edge."""
    assert sumdb.size == 3071412
    assert root_from_tiles(sumdb.size, Sumdb(vectors / "sumdb")) == sumdb.root


def test_the_forged_tile_proves_nothing(vectors, sumdb):
    """CVE-2026-56865: the honest tile proves its entry, the forged one not its own."""
    attack = load(vectors, "attacks/known.json")["cve_2026_56865_forged_tile"]
    index = attack["index"]
    tile = Tile(0, index // 256).path.replace("tile/", "tile/8/", 1)
    honest = (vectors / "sumdb" / tile).read_bytes()
    at = index % 256 * 32
    assert at == attack["patch_offset"]
    for patch, leaf in (
        (None, honest[at : at + 32]),
        (attack, bytes.fromhex(attack["patch_hex"])),
    ):
        path = inclusion_from_tiles(index, sumdb.size, Sumdb(vectors / "sumdb", patch))
        claim = dict(leaf=leaf, index=index, size=sumdb.size, path=path, root=sumdb.root)
        if patch is None:
            check_inclusion(**claim)
        else:
            assert leaf == leaf_hash(attack["evil_record"].encode())
            with pytest.raises(Refused):
                check_inclusion(**claim)


def test_a_path_is_as_long_as_its_place(vectors, sumdb):
    """CVE-2022-36111 (immudb): a proof's length was the server's choice."""
    assert (
        "proof length fixed"
        in load(vectors, "attacks/known.json")["cve_2022_36111_immudb"]["required"]
    )
    tiles = Sumdb(vectors / "sumdb")
    index = 2595481
    path = inclusion_from_tiles(index, sumdb.size, tiles)
    at = index % 256 * 32
    leaf = tiles(0, index // 256, 256)[at : at + 32]
    for wrong in ((*path, bytes(32)), path[:-1], (bytes(32), *path), ()):
        with pytest.raises(Refused):
            check_inclusion(leaf=leaf, index=index, size=sumdb.size, path=wrong, root=sumdb.root)


def test_checkpoints_sent_to_a_witness_are_read(vectors):
    """Every well-formed body of litewitness's script; the log's signature holds or does not."""
    held = refused = 0
    for script in load(vectors, "witness/add_checkpoint_sequences.json"):
        key = VerifierKey.from_text(script["log_vkey"])
        for step in script["sequence"]:
            note = step["body"].partition("\n\n")[2].encode()
            status = step["spec_status"]
            statuses = set(status) if isinstance(status, list) else {status}
            try:
                open_checkpoint(note, key, origin=script["origin"])
            except AnchorError:
                assert statuses & {400, 403, 404}, step
                refused += 1
            else:
                assert statuses & {200, 409, 422}, step
                held += 1
    print(f"\ncheckpoints sent to a witness: {held} held, {refused} refused")
    assert held
    assert refused


def test_no_cosignature_is_found_where_none_is(vectors):
    example = load(vectors, "c2sp/examples.json")
    note = Note.from_bytes(example["parse_only"]["checkpoint"].encode())
    key = VerifierKey.from_text(example["vkeys_valid"][0])
    assert check_cosignature(note, key) is None
