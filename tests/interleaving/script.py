"""Scripts of actions: drawn from a seed, played in a world, shortened while they still fail."""

from dataclasses import dataclass, fields
from random import Random

from interleaving.world import Shape, World

# Weights: what makes traffic often, what stops it all seldom.
WEIGHTS = {
    "record": 30, "plain": 4, "kill": 6, "power_cut": 3, "stop": 2, "broker_crash": 3, "forget": 3,
    "save": 3, "expire": 1, "cut": 5, "swallow": 3, "refuse": 1, "freeze": 2, "slow": 2,
    "slow_store": 3, "clock": 2, "window": 1, "replay": 3, "forge": 1, "odd": 1,
    "old_receipt": 3, "false_receipt": 3, "disk_fails": 1, "busy": 1, "full": 1, "twin": 1,
    "garble": 1, "clone": 1,
}  # fmt: skip
PAUSES = (0.0, 0.001, 0.01, 0.1, 0.3, 1.0, 4.0)


@dataclass(frozen=True)
class Act:
    """After `pause` seconds, what, and two numbers that say to whom and how."""

    pause: float
    what: str
    a: float
    b: float


@dataclass(frozen=True)
class Script:
    """Everything that is decided before a run; the same script is the same run."""

    seed: int
    shape: Shape
    acts: tuple[Act, ...]

    @classmethod
    def draw(cls, seed):
        random = Random(seed)
        shape = Shape.draw(random)
        names, weights = list(WEIGHTS), list(WEIGHTS.values())
        acts = tuple(
            Act(random.choice(PAUSES), name, random.random(), random.random())
            for name in random.choices(names, weights, k=random.randrange(3, 24))
        )
        return cls(seed, shape, acts)

    def play(self, events=None, *, at_the_end=None):
        """Run it to its end; AssertionError, or what a process died of."""
        world = World(self.seed, self.shape)
        try:
            moment = 0.0
            for act in self.acts:
                moment += act.pause
                world.plan(moment, act.what, act.a, act.b)
            while moment > 0:
                world.run(min(1.0, moment))
                moment -= 1.0
            world.run(0.5)
            world.calm()
            world.end()
            if at_the_end is not None:
                at_the_end(world)
        finally:
            world.close()
            if events is not None:
                events.update(world.events)
                events["steps"] += world.scheduler.steps
                events["messages recorded"] += len(world.ghost.recorded)

    def shortened(self):
        """Leave out acts as long as it fails with the same first words."""
        wanted = _failure(self)
        best, size = self, max(1, len(self.acts) // 2)
        while size:
            start = 0
            while start < len(best.acts):
                acts = best.acts[:start] + best.acts[start + size :]
                fewer = Script(best.seed, best.shape, acts)
                if wanted is not None and _failure(fewer) == wanted:
                    best = fewer
                else:
                    start += size
            size //= 2
        return best

    def told(self):
        """The script, to be read."""
        plain = Shape()
        shape = [
            f"{one.name}={getattr(self.shape, one.name)!r}"
            for one in fields(Shape)
            if getattr(self.shape, one.name) != getattr(plain, one.name)
        ]
        lines = [f"seed {self.seed}: {', '.join(shape) or 'as it comes'}"]
        lines += [f"  +{act.pause:<6g} {act.what} {act.a:.3f} {act.b:.3f}" for act in self.acts]
        return "\n".join(lines)


def _failure(script):
    """What goes wrong, in a few words that stay the same; None where nothing does."""
    try:
        script.play()
    except Exception as error:  # noqa: BLE001 - it is what we look for
        return f"{type(error).__name__} {str(error).partition(':')[0]}"
    return None
