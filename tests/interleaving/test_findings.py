"""What the long run has found, each as a script cut down to what it takes."""

import pytest
from interleaving.sabotage import fsync_believed_after_a_failure
from interleaving.scheduler import Violation
from interleaving.script import Act, Script
from interleaving.world import Shape


def test_a_key_entry_that_the_broker_refused_is_published_again():
    """A full broker said no to it, once; no machine believed a receipt until the next restart."""
    script = Script(
        seed=55,
        shape=Shape(machines=1),
        acts=(
            Act(0.0, "full", 0.0, 0.9),
            Act(0.0, "broker_crash", 0.0, 0.0),
            Act(0.0, "kill", 0.9, 0.01),
            Act(1.0, "record", 0.0, 0.1),
        ),
    )
    script.play()


def test_what_a_failed_fsync_left_is_not_taken_for_durable_after_a_restart():
    """The kernel reads the pages back as if they were on the disk, and syncs them no more."""
    script = Script(
        seed=1,
        shape=Shape(machines=1),
        acts=(Act(0.0, "disk_fails", 0.0, 0.7), Act(0.0, "record", 0.0, 0.1)),
    )
    script.play()
    with fsync_believed_after_a_failure(), pytest.raises(Violation, match="before durable"):
        script.play()


def test_a_link_that_gives_up_while_a_commit_fails_is_not_left_unheard():
    """Nobody asked the task that watched the link what it had ended with."""
    script = Script(
        seed=2_000_271,
        shape=Shape(
            machines=3, gateway=True, flush_count=3, outbox_limit=12, window=3, keeps=False,
            failing_store=0.5,
        ),
        acts=(
            Act(1.0, "slow_store", 0.674, 0.911),
            Act(1.0, "kill", 0.982, 0.480),
            Act(0.3, "record", 0.716, 0.253),
            Act(0.0, "twin", 0.810, 0.693),
        ),
    )  # fmt: skip
    script.play()
