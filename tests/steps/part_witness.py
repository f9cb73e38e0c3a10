"""A witness: whatever fails, it never cosigns two heads that are not of one tree."""

from contextlib import closing

from anchor_plant import key_of, witness_key

from anchor.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from anchor.keeping.add_checkpoint import AddCheckpoint, Answer, origin_hash
from anchor.keeping.witness import Witness
from anchor.keeping.witness_db import WitnessState
from anchor.keeping.witness_mark import WitnessMark, keys_that_remember
from anchor.merkle import consistency_path, leaf_hash, tree_root

LOG = key_of("example.org/log")
SIDES = {side: [leaf_hash(f"{side} {n}".encode()) for n in range(12)] for side in "ab"}
ALONE = True  # all that it keeps is on its own disk


def prepare(folder):
    (folder / "disk").mkdir()


def opened(folder):
    state = WitnessState(folder / "disk" / "state" / "w.db")
    logs = {LOG.name: [LOG.verifier]}
    mark = WitnessMark(folder / "disk" / "state" / "w.cosigned")
    # As at every start: a crash never leaves a state that looks older than what was cosigned.
    keys = keys_that_remember([witness_key("w")], [LOG.verifier], state, mark)
    return state, Witness(keys=keys, logs=logs, state=state, clock=lambda: 1_764_000, mark=mark)


def latest(witness):
    try:
        return open_checkpoint(witness.latest(origin_hash(LOG.name)), LOG.verifier)
    except Answer:
        return Checkpoint(LOG.name, 0, tree_root([]))


def ask(witness, side, size, tell):
    """Ask for a cosignature from the size that it says it is at."""
    old = latest(witness).size
    if old > size:
        return
    proof = consistency_path(SIDES[side][:size], old) if 0 < old < size else ()
    note = sign_checkpoint(Checkpoint(LOG.name, size, tree_root(SIDES[side][:size])), LOG)
    try:
        witness.add_checkpoint(AddCheckpoint(old, proof, note).to_bytes())
    except Answer:
        return
    tell("cosigned", side, size)


def run(folder, tell):
    state, witness = opened(folder)
    with closing(state):
        for size in range(1, 7):
            for side in "ab":
                ask(witness, side, size, tell)


def resume(folder, tell, told, cut):
    """The log tries the other history first, at every size."""
    check(folder, told, cut)
    _, witness = opened(folder)
    for size in range(1, 10):
        for side in "ba":
            ask(witness, side, size, tell)
    now = latest(witness)
    assert now.size == 9


def check(folder, told, cut):
    del cut
    state, witness = opened(folder)
    with closing(state):
        now = latest(witness)
    sides = {side for _, side, size in told}
    if now.size:
        sides |= {s for s in SIDES if tree_root(SIDES[s][: now.size]) == now.root}
    assert len(sides) <= 1, "two histories cosigned"
    assert now.size >= max((size for _, _, size in told), default=0), "it forgot what it cosigned"
