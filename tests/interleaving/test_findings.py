"""What the long run has found, each as a script cut down to what it takes."""

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
