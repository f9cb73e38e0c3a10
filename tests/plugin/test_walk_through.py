"""docs/testing.md does what it says: its three examples are run as they stand there."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
pytestmark = pytest.mark.e2e


def test_the_three_examples_pass(pytester):
    found = re.findall(r"```python\n# test_(\w+)\.py\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    blocks = {f"test_{name}.py": text for name, text in found}
    assert list(blocks) == [f"test_{name}.py" for name in ("consumer", "ledger", "recorded")]
    for name, text in blocks.items():
        pytester.path.joinpath(name).write_text(text)
    recordings = pytester.mkdir("recordings")
    payloads = ((0, "20.5"), (1, "21.0"))
    (recordings / "line-3.jsonl").write_text(
        "".join(
            f'{{"topic":"line-3/press/temperature","payload":"{value}",'
            f'"timestamp":"2026-05-12T10:28:3{second}Z","qos":1,"retain":false}}\n'
            for second, value in payloads
        )
    )
    # In parallel: each process has a broker of its own.
    result = pytester.runpytest_subprocess("-n", "2", "-W", "error", "-o", LOOP)
    result.assert_outcomes(passed=4)


LOOP = "asyncio_default_fixture_loop_scope=function"
