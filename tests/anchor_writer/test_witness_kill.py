"""A witness killed at each step of its work never cosigns two heads that are not of one tree."""

import os
import signal
from contextlib import closing

import pytest
from anchor_plant import key_of, witness_key
from faults import AFTER, BEFORE, FaultyDurable

from anchor.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from anchor.keeping.add_checkpoint import AddCheckpoint, Answer, origin_hash
from anchor.keeping.witness import Witness
from anchor.keeping.witness_db import WitnessState
from anchor.merkle import check_consistency, consistency_path, leaf_hash, tree_root
from anchor.note import Note

LOG = key_of("example.org/log")
SIDES = {side: [leaf_hash(b"%s %d" % (side, n)) for n in range(12)] for side in (b"a", b"b")}
STEPS = ("asked", "signing", "before the commit", "after the commit", "before the answer")


def head(side, size):
    return sign_checkpoint(Checkpoint(LOG.name, size, tree_root(SIDES[side][:size])), LOG)


def request(side, old, size):
    proof = consistency_path(SIDES[side][:size], old) if 0 < old < size else ()
    return AddCheckpoint(old, proof, head(side, size)).to_bytes()


def kill_self():
    os.kill(os.getpid(), signal.SIGKILL)


def ask(path, side, old, size, step, pipe):
    """A process of its own answers one request and is killed at a step; what left it is told."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.WIFSIGNALED(status)
    try:
        mode = BEFORE if step == "before the commit" else AFTER
        at = 1 if step in {"before the commit", "after the commit"} else 0

        def clock():
            if step == "signing":
                kill_self()
            return 1_764_000_000

        state = WitnessState(path, FaultyDurable(at, mode, kill_self))
        logs = {LOG.name: [LOG.verifier]}
        witness = Witness(keys=[witness_key("w")], logs=logs, state=state, clock=clock)
        if step == "asked":
            kill_self()
        try:
            lines = witness.add_checkpoint(request(side, old, size))
        except Answer:
            lines = b""
        if step == "before the answer":
            kill_self()
        if lines:
            os.write(pipe, b"%s %d\n" % (side, size))
    finally:
        os._exit(0)


def latest(path):
    logs = {LOG.name: [LOG.verifier]}
    with closing(WitnessState(path)) as state:
        witness = Witness(keys=[witness_key("w")], logs=logs, state=state, clock=int)
        try:
            note = witness.latest(origin_hash(LOG.name))
        except Answer:
            return None
        assert Note.from_bytes(note).line_of(witness_key("w").verifier)
        return open_checkpoint(note, LOG.verifier)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("first", SIDES)
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_each_step_it_stands_by_one_history(memory_path, step, first):
    """The log shows both sides in turn, from every size that the witness may be at."""
    path, (reader, writer) = memory_path / "w.db", os.pipe()
    other = next(side for side in SIDES if side != first)
    killed, kept = 0, []
    for size in range(1, 13):
        for side in (first, other):
            now = latest(path)
            old = now.size if now else 0
            if old <= size:
                killed += ask(path, side, old, size, step if size % 2 else "", writer)
            after = latest(path)
            if after is not None:
                kept.append(after)
    os.close(writer)
    with os.fdopen(reader, "rb") as left:
        told = [line.split() for line in left]
    assert killed >= 6
    answered = [Checkpoint(LOG.name, int(n), tree_root(SIDES[s][: int(n)])) for s, n in told]
    heads = sorted({(c.size, c.root) for c in [*answered, *kept]})
    assert len(heads) >= 6
    whole = SIDES[first] if heads[-1][1] == tree_root(SIDES[first]) else SIDES[other]
    for size, root in heads:
        check_consistency(
            old_size=size,
            old_root=root,
            size=12,
            root=tree_root(whole),
            path=consistency_path(whole, size) if size < 12 else (),
        )
    sizes = [c.size for c in kept]
    assert sizes == sorted(sizes), "what it cosigned last never goes back"
