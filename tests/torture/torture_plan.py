"""What befalls whom and when, drawn from a seed. Pure: the same seed gives the same plan.

A plan is the works (how many of what, on which database) and the strikes, in order of time.
It is written and read as JSON, so that one can be cut down by hand and done again.
"""

import json
import random
from dataclasses import asdict, dataclass, field

FLEETS = ("fleet-1", "fleet-2")
# s: how long each kind lasts, from and to. A kill's is the time until it is started again.
LASTS = {
    "kill": (0.0, 2.0),
    "storm": (2.0, 20.0),
    "pause": (0.5, 4.0),
    "cut": (0.0, 0.0),
    "slow": (1.0, 6.0),
    "throttle": (1.0, 6.0),
    "partition": (0.5, 6.0),
    "disk-full": (0.5, 4.0),
    "clock": (2.0, 8.0),
    "torn-outbox": (0.0, 1.0),
    "broken-outbox": (0.0, 1.0),
    "cut-tile": (0.0, 1.0),
    "bad-checkpoint": (0.0, 1.0),
    "bad-broker-file": (0.0, 1.0),
    "broken-anchor-db": (0.0, 1.0),
    "broken-witness-db": (0.0, 1.0),
    "io-error": (3.0, 8.0),
}
# How often one is drawn, beside the others.
WEIGHTS = {"kill": 6, "pause": 3, "cut": 2, "partition": 3, "io-error": 3}
PACE = 1.5  # s between two strikes, on average
CLOCKS = (-86_400, -3600, -60, 60, 3600)  # s


@dataclass(frozen=True)
class Strike:
    """One fault: `target` is a part, a way (`collect-1>broker`) or a disk; times in seconds.

    `amount` is a kind's own: a latency in seconds, bytes a second, an offset of a clock, how
    often, or a number below 1 that says where in a file.
    """

    at: float
    kind: str
    target: str
    lasts: float
    amount: float = 0.0


@dataclass(frozen=True)
class Plan:
    """The works and its strikes; a broker that is `spared` is never killed."""

    seed: int
    seconds: float
    database: str = "sqlite"
    collectors: int = 1
    witnesses: int = 2
    quorum: int = 1
    machines: int = 3
    interval: float = 0.2
    keeping: bool = False
    spared: bool = False
    strikes: list[Strike] = field(default_factory=list)

    @property
    def clocks(self):
        """Whose clock is moved."""
        return {strike.target for strike in self.strikes if strike.kind == "clock"}

    @property
    def shaky(self):
        """Whose reads and writes fail."""
        return {strike.target for strike in self.strikes if strike.kind == "io-error"}

    def parts(self):
        """Every process, in the order of their start."""
        return [
            *(["database"] if self.database == "postgresql" else []),
            "broker",
            *(f"witness-{n}" for n in range(1, self.witnesses + 1)),
            *(f"collect-{n}" for n in range(1, self.collectors + 1)),
            "anchor",
            *FLEETS,
        ]

    def ways(self):
        """Every connection between two of them, from who opens it."""
        parts = self.parts()
        ways = [f"{part}>broker" for part in parts if part.startswith(("collect", "fleet"))]
        ways += ["anchor>broker", "stranger>broker"]
        ways += [f"anchor>{part}" for part in parts if part.startswith("witness")]
        if self.database == "postgresql":
            ways += [f"{part}>database" for part in parts if part.startswith("collect")]
            ways += ["anchor>database"]
        return ways

    def to_json(self):
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text):
        """Read one back; KeyError or TypeError for what is none."""
        members = json.loads(text)
        strikes = [Strike(**strike) for strike in members.pop("strikes")]
        return cls(**members, strikes=strikes)


def draw_plan(seed, seconds, able=frozenset(), kinds=None):
    """Draw a plan: `able` says what this machine can do (`postgresql`, a kind of fault).

    Every kind that can be done comes once if there is time, then by chance. With `kinds` only
    those.
    """
    chance = random.Random(f"torture {seed}")
    shape = draw_works(chance, seed, seconds, able)
    possible = [kind for kind in LASTS if _can(kind, shape, able) and (not kinds or kind in kinds)]
    strikes, at = [], 2.0
    todo = chance.sample(possible, len(possible))
    while at < seconds * 0.9:
        weights = [WEIGHTS.get(kind, 1) for kind in possible]
        kind = todo.pop() if todo else chance.choices(possible, weights)[0]
        strikes.append(draw_strike(chance, shape, kind, round(at, 2)))
        at += chance.expovariate(1 / PACE)
    return Plan(**{**shape.__dict__, "strikes": strikes})


def draw_works(chance, seed, seconds, able):
    """How many of what."""
    postgresql = chance.random() < 1 / 3
    witnesses = chance.choice((2, 3))
    return Plan(
        seed=seed,
        seconds=seconds,
        database="postgresql" if postgresql and "postgresql" in able else "sqlite",
        collectors=chance.choice((1, 2)),
        witnesses=witnesses,
        quorum=chance.choice((witnesses - 1, witnesses)),
        machines=chance.choice((2, 3, 5)),
        interval=chance.choice((0.1, 0.2, 0.5)),
        keeping=chance.random() < 1 / 2,
        spared=chance.random() < 1 / 2,
    )


def draw_strike(chance, plan, kind, at):
    """One strike of a kind."""
    lasts = round(chance.uniform(*LASTS[kind]), 2)
    target = chance.choice(targets(plan, kind))
    amounts = {
        "slow": lambda: chance.choice((0.02, 0.1, 0.5)),
        "throttle": lambda: chance.choice((500, 5_000, 50_000)),
        "clock": lambda: chance.choice(CLOCKS),
        "storm": lambda: chance.randint(3, 8),
    }
    amount = amounts.get(kind, chance.random)()
    return Strike(at, kind, target, lasts, round(amount, 4))


def targets(plan, kind):
    """Whom a kind can befall."""
    parts = plan.parts()
    programs = [part for part in parts if part not in {"database", "broker"}]
    mortal = [part for part in parts if part != "broker" or not plan.spared]
    where = {
        "kill": mortal,
        "pause": parts,
        "storm": [part for part in mortal if part != "database"],
        "cut": plan.ways(),
        "slow": plan.ways(),
        "throttle": plan.ways(),
        "partition": plan.ways(),
        "disk-full": ["data", "outbox"],
        # A quorum of clocks is what a time is proved by: one witness's may lie.
        "clock": [part for part in programs if part not in {"witness-2", "witness-3"}],
        "io-error": programs,
        "torn-outbox": list(FLEETS),
        "broken-outbox": list(FLEETS),
        "cut-tile": ["anchor"],
        "bad-checkpoint": ["anchor"],
        "bad-broker-file": ["broker"],
        "broken-anchor-db": ["anchor"],
        "broken-witness-db": [part for part in parts if part.startswith("witness")],
    }
    return where[kind]


def _can(kind, plan, able):
    if kind == "bad-broker-file":
        return plan.keeping and not plan.spared
    special = {"disk-full", "clock", "io-error"}
    return kind not in special or kind in able
