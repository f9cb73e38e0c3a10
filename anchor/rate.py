"""How often somebody may ask: a bucket of tokens for each, in bounded memory.

Pure but for the clock that it is given. A name that is new has a full bucket, and who has one
is forgotten, so that a flood of names costs no more than `names` buckets.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

MAX_NAMES = 10_000


@dataclass(slots=True)
class Rate:
    """`each` a second for every name, `burst` at once; 0 lets everything pass."""

    each: float
    burst: float
    clock: Callable[[], float]
    names: int = MAX_NAMES
    _buckets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def wait(self, name: str) -> int:
        """Take a token and give 0; or take none, and give the whole seconds until there is one."""
        if not self.each:
            return 0
        now = self.clock()
        tokens, at = self._buckets.pop(name, (self.burst, now))
        tokens = min(self.burst, tokens + max(0.0, now - at) * self.each)
        allowed = tokens >= 1
        self._buckets[name] = (tokens - allowed, now)
        if len(self._buckets) > self.names:
            self._buckets.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((1 - tokens) / self.each))
