"""Judging arrivals one by one, with the keys known now; one bad message never stops the rest."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat

import structlog

from collector.arrived import Arrived
from collector.batch import Judged, Refused
from collector.keys import Keys
from collector.limits import Gate
from collector.verdict import Judge, Verdict, decide
from telemetry.topic import any_own, is_own

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Docket:
    """Arrivals, judged; `own` counts what the ledger wrote itself and never stores."""

    judged: list[Judged] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    own: int = 0

    def refuse(self, arrived: Arrived, reason: str) -> None:
        """Keep out what is over a limit; the reason begins with its cause."""
        self.refused.append(Refused(arrived, reason, reason.partition(":")[0]))


def judge_all(
    arrivals: Sequence[Arrived],
    *,
    judge: Judge,
    keys: Keys,
    ahead: Sequence[Verdict | str | None] | None = None,
    gate: Gate | None = None,
) -> Docket:
    """Judge in order.

    `ahead` has what was said of each arrival before, or none: a verdict, which counts where it
    still holds, so that it changes nothing but the time; or why the `gate` keeps it out. The
    gate is asked now where there is no `ahead`, and in any case about what was judged.
    """
    docket = Docket()
    bench = _Bench(judge, keys)
    if ahead is None:
        ahead = () if gate is None else gate.bars(arrivals)
    if gate is not None and not gate.weighs:
        gate = None
    suspicious = any_own([arrived.topic for arrived in arrivals])
    for arrived, said in zip(arrivals, chain(ahead, repeat(None)), strict=False):
        try:
            if suspicious and is_own(arrived.topic):
                docket.own += 1
            elif isinstance(said, str):
                docket.refuse(arrived, said)
            else:
                verdict = bench.verdict(arrived, said)
                # What MQTT brings once more has been through the gate.
                reason = None
                if gate is not None and not arrived.again:
                    reason = gate.refuses_status(verdict.status, arrived.topic)
                if reason is None:
                    docket.judged.append(Judged(arrived, verdict))
                else:
                    docket.refuse(arrived, reason)
        except Exception as error:  # noqa: BLE001 - one message must not hold up the others
            _log.exception("message not judged", topic=arrived.topic)
            docket.refused.append(Refused(arrived, f"{type(error).__name__}: {error}"))
    return docket


@dataclass(slots=True)
class _Bench:
    """Judges one batch; on an unknown key it reads the requests folder again, and then judges.

    Once for a batch is enough: a machine publishes only after its enrolment is durable, and
    everything in the batch has arrived by now.
    """

    judge: Judge
    keys: Keys
    asked: bool = False

    def verdict(self, arrived: Arrived, found: Verdict | None) -> Verdict:
        if found is None or not found.holds(self.keys.keyring):
            found = self._decide(arrived)
        if found.status == "unknown-device" and not self.asked:
            self.asked = True
            if self.keys.refresh():
                found = self._decide(arrived)
        return found

    def _decide(self, arrived: Arrived) -> Verdict:
        words = arrived.topic, arrived.payload, arrived.properties
        return decide(*words, self.keys.keyring, judge=self.judge)
