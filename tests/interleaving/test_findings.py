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
