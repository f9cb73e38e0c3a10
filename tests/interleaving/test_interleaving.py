"""The protocol between outbox, broker and collector, in one process, with every fault there is.

The product's own code on simulated loops, disk, network and store (docs/testing.md); what must
hold is in `ghost` and `world`, and holds after every step. `make interleave` runs it for long.
"""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from interleaving.sabotage import BREAKAGES
from interleaving.script import PAUSES, WEIGHTS, Script
from interleaving.world import Shape, World

PART = st.integers(0, 99).map(lambda hundredths: hundredths / 100)
OFTEN = ("record", "kill", "cut", "power_cut", "broker_crash", "old_receipt", "false_receipt")
SELDOM = tuple(name for name in WEIGHTS if name not in OFTEN)


class FactoryUnderFaults(RuleBasedStateMachine):
    """Actions come while workers commit and sync, too: they are planned, then time goes on."""

    @initialize(
        seed=st.integers(0, 2**16),
        machines=st.integers(1, 2),
        collectors=st.integers(1, 2),
        shared=st.booleans(),
        flush_count=st.sampled_from((1, 4)),
        limit=st.sampled_from((100_000, 12)),
        keeps=st.booleans(),
        failing=st.sampled_from((0.0, 0.2)),
    )
    def begin(self, seed, machines, collectors, shared, flush_count, limit, keeps, failing):
        share = "g" if shared and collectors == 2 else ""
        self.world = World(
            seed,
            Shape(
                machines=machines, collectors=collectors, share=share, flush_count=flush_count,
                outbox_limit=limit, keeps=keeps, failing_store=failing,
            ),
        )  # fmt: skip

    @rule(what=st.sampled_from(OFTEN), a=PART, b=PART, pause=st.sampled_from(PAUSES))
    def happens_often(self, what, a, b, pause):
        self.world.plan(pause / 2, what, a, b)
        self.world.run(pause)

    @rule(what=st.sampled_from(SELDOM), a=PART, b=PART, pause=st.sampled_from(PAUSES))
    def happens(self, what, a, b, pause):
        self.world.plan(pause / 2, what, a, b)
        self.world.run(pause)

    @rule(a=PART, count=st.integers(1, 6))
    def machines_speak(self, a, count):
        for number in range(count):
            self.world.plan(0.05 * number, "record", a, 0.1 * number)

    @precondition(lambda self: self.world.ghost.recorded)
    @rule()
    def all_comes_to_rest(self):
        self.world.calm()

    def teardown(self):
        if hasattr(self, "world"):
            try:
                self.world.run(0.5)
                self.world.calm()
            finally:
                self.world.close()


TestFactoryUnderFaults = FactoryUnderFaults.TestCase
TestFactoryUnderFaults.settings = settings(
    derandomize=True, max_examples=15, stateful_step_count=15, deadline=None
)


def test_scripts_from_seeds_hold_and_reach_what_is_of_interest():
    from collections import Counter

    events = Counter()
    for seed in range(25):
        Script.draw(seed).play(events)
    for name in (
        "stored accepted", "sent again", "receipt sent once more", "unique index of claims",
        "receipt frees nothing: it lies", "commit failed, but did persist",
        "acknowledged too late: connection gone", "unsynced bytes lost, or torn",
    ):  # fmt: skip
        assert events[name], name


def test_the_same_seed_is_the_same_run():
    def fingerprint(seed):
        found = []
        script = Script.draw(seed)
        script.play(
            at_the_end=lambda world: found.append(
                (
                    world.scheduler.steps,
                    world.scheduler.now,
                    world.database.rows("SELECT * FROM messages ORDER BY collector, position"),
                    dict(world.events),
                )
            )
        )
        return found

    for seed in range(5):
        assert fingerprint(seed) == fingerprint(seed)


@pytest.mark.parametrize("name", BREAKAGES)
def test_what_is_broken_on_purpose_is_found(name):
    """Within so many interleavings as it takes, from a seed where that is soon."""
    first, words = FOUND[name]
    scripts = map(Script.draw, range(first, first + 12))
    with BREAKAGES[name](), pytest.raises(AssertionError, match=words):
        all(script.play() is None for script in scripts)


def test_a_failing_script_is_shortened_to_what_it_takes():
    with BREAKAGES["puback_frees"]():
        script = next(s for s in map(Script.draw, range(50)) if len(s.acts) > 8)
        shorter = script.shortened()
        assert len(shorter.acts) < len(script.acts) / 2
        with pytest.raises(AssertionError, match="let go without being stored"):
            shorter.play()
    assert shorter.told().startswith(f"seed {script.seed}")


# Breakage: the first of the seeds that are tried, and the invariant that finds it.
FOUND = {
    "acknowledge_before_commit": (0, "acknowledged before committed"),
    "receipt_not_compared": (15, "let go without being stored"),
    "generation_ignored": (12, "acknowledged"),
    "unique_index_removed": (5, "stored at most once"),
    "claims_not_forgotten": (17, "livelock"),
    "fsync_removed": (0, "published before durable"),
    "folder_not_synced": (0, "published before durable"),
    "sent_before_durable": (15, "published before durable"),
    "not_sent_again_after_reconnect": (3, "liveness"),
    "never_sent_again": (0, "liveness"),
    "puback_frees": (0, "let go without being stored"),
    "receipt_before_commit": (5, "receipt"),
    "failed_commit_taken_for_good": (1, "acknowledged before committed"),
    "dup_decides": (324, "acknowledged before committed"),
}
