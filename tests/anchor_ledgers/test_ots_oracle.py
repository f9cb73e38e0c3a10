"""The reference, PyPI's `opentimestamps`, on the same bytes: what we read, it reads alike.

It runs in an environment of its own, where nothing of this project is installed.
"""

import json
import random
import subprocess
from pathlib import Path

import pytest

from anchor.errors import Malformed
from anchor.ledgers.ots.file import OtsFile

PYTHON = Path(__file__).parents[2] / ".venv-oracles" / "bin" / "python"
PROGRAM = """
import json, sys, warnings
warnings.simplefilter("ignore")
from opentimestamps.core.serialize import BytesDeserializationContext, BytesSerializationContext
from opentimestamps.core.timestamp import DetachedTimestampFile
answers = []
for data in map(bytes.fromhex, json.load(sys.stdin)):
    try:
        opened = DetachedTimestampFile.deserialize(BytesDeserializationContext(data))
        written = BytesSerializationContext()
        opened.serialize(written)
    except Exception as error:
        answers.append(None)
        continue
    found = opened.timestamp.all_attestations()
    heights = [(m.hex(), a.height) for m, a in found if type(a).__name__.startswith("Bitcoin")]
    answers.append([written.getbytes() == data, sorted(heights)])
json.dump(answers, sys.stdout)
"""


def reference(files):
    ran = subprocess.run(
        [str(PYTHON), "-I", "-c", PROGRAM],
        input=json.dumps([data.hex() for data in files]),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return json.loads(ran.stdout)


def ours(data):
    try:
        opened = OtsFile.from_bytes(data)
    except Malformed:
        return None
    ends = [(p.end(opened.digest), p.attestation.height) for p in opened.timestamp.bitcoin()]
    return [True, sorted([end.hex(), height] for end, height in ends)]


@pytest.mark.vectors
@pytest.mark.skipif(not PYTHON.exists(), reason="`make oracles` has not made its environment")
def test_the_reference_reads_what_we_read_and_alike(vectors):
    examples = [path.read_bytes() for path in sorted((vectors / "ots").rglob("*.ots"))]
    chance = random.Random(20261128)
    files = list(examples)
    for data in examples:
        for _ in range(250):
            changed = bytearray(data)
            for _ in range(chance.choice((1, 1, 2))):
                changed[chance.randrange(31, len(changed))] = chance.randrange(256)
            files.append(bytes(changed))
        files += [data[: chance.randrange(len(data))], data + bytes(1)]
    both = wider = 0
    for data, theirs in zip(files, reference(files), strict=True):
        mine = ours(data)
        if mine is not None:
            assert mine == theirs, data.hex()
            both += 1
        elif theirs is not None:
            wider += theirs[0]
    print(f"{len(files)} files: {both} read alike, {wider} read by the reference alone")  # noqa: T201 - counts, for who reads along
    assert both > 1000
    # What it would write itself we read, but for numbers above 2^63-1.
    assert wider == 0
