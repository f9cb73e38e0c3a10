"""Judging arrivals one by one, with the keys known now; one bad message never stops the rest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from collector.arrived import Arrived
from collector.batch import Judged, Refused
from collector.keys import Keys
from telemetry.judgement import Judgement
from telemetry.keyring import Keyring
from telemetry.topic import is_own

_log = structlog.get_logger(__name__)

Judge = Callable[[str, bytes, Keyring, str | None], Judgement]


@dataclass(slots=True)
class Docket:
    """Arrivals, judged; `own` counts what the ledger wrote itself and never stores."""

    judged: list[Judged] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    own: int = 0


def judge_all(arrivals: Sequence[Arrived], *, judge: Judge, keys: Keys) -> Docket:
    """Judge in order; on an unknown key, read the requests folder again before judging.

    Once for a batch is enough: a machine publishes only after its enrolment is durable, and
    everything in the batch has arrived by now.
    """
    docket = Docket()
    asked = False
    for arrived in arrivals:
        try:
            if is_own(arrived.topic):
                docket.own += 1
                continue
            said = (arrived.topic, arrived.payload)
            judgement = judge(*said, keys.keyring, arrived.properties)
            if judgement.status == "unknown-device" and not asked:
                asked = True
                if keys.refresh():
                    judgement = judge(*said, keys.keyring, arrived.properties)
            docket.judged.append(Judged(arrived, judgement))
        except Exception as error:  # noqa: BLE001 - one message must not hold up the others
            _log.exception("message not judged", topic=arrived.topic)
            docket.refused.append(Refused(arrived, f"{type(error).__name__}: {error}"))
    return docket
