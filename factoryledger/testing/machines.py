"""The test keys of a recording that the simulator made: it says its seed, and anyone has them."""

import re
from pathlib import Path
from typing import Final

from factoryledger.errors import WrongUsage
from simulator.offline import test_key
from telemetry.recording import read
from telemetry.signature import SigningKey
from telemetry.sparkplug_topic import SparkplugTopic
from telemetry.topic import MachineTopic

_SIMULATED: Final = re.compile(r"simulated, test keys, seed (\d+)")


def keys_of(file: Path) -> dict[str, SigningKey]:
    """Give the key of each machine; WrongUsage for a recording of another origin."""
    with file.open("rb") as opened:
        reading = read(opened, str(file))
        origin = "" if reading.header is None else reading.header.origin
        match = _SIMULATED.fullmatch(origin)
        if match is None:
            raise WrongUsage(f"{file}: not made by the simulator, so it has no test keys")
        found = {_sender(line.topic) for _, line in reading}
    return {name: test_key(int(match[1]), name) for name in sorted(filter(None, found))}


def _sender(topic: str) -> str | None:
    """Who signs what is published on a topic; None where nobody does."""
    place = MachineTopic.parse(topic)
    if place is not None:
        return place.machine
    node = SparkplugTopic.parse(topic)
    return None if node is None else node.sender
