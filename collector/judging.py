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
    ahead: Sequence[Verdict | None] = (),
    gate: Gate | None = None,
) -> Docket:
    """Judge in order; on an unknown key, read the requests folder again before judging.

    Once for a batch is enough: a machine publishes only after its enrolment is durable, and
    everything in the batch has arrived by now. `ahead` are verdicts made before, one for each
    arrival or none: each counts where it still holds, so that it changes nothing but the time.
    The `gate` keeps out what is over a limit.
    """
    docket = Docket()
    asked = False
    if gate is not None and gate.admits(arrivals):
        gate = None
    suspicious = any_own([arrived.topic for arrived in arrivals])
    for arrived, found in zip(arrivals, chain(ahead, repeat(None)), strict=False):
        try:
            if suspicious and is_own(arrived.topic):
                docket.own += 1
                continue
            # What MQTT brings once more has been through the gate.
            bar = None if arrived.again else gate
            if bar is not None and (reason := bar.refuses(arrived)) is not None:
                docket.refuse(arrived, reason)
                continue
            if found is not None and found.holds(keys.keyring):
                verdict = found
            else:
                said = arrived.topic, arrived.payload, arrived.properties
                verdict = decide(*said, keys.keyring, judge=judge)
            if verdict.status == "unknown-device" and not asked:
                asked = True
                if keys.refresh():
                    said = arrived.topic, arrived.payload, arrived.properties
                    verdict = decide(*said, keys.keyring, judge=judge)
            if bar is not None and (reason := bar.refuses_status(verdict.status)) is not None:
                docket.refuse(arrived, reason)
            else:
                docket.judged.append(Judged(arrived, verdict))
        except Exception as error:  # noqa: BLE001 - one message must not hold up the others
            _log.exception("message not judged", topic=arrived.topic)
            docket.refused.append(Refused(arrived, f"{type(error).__name__}: {error}"))
    return docket
