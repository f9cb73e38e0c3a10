"""docs/tutorial.md: all that it shows is done, in its order, in a fresh folder."""

import re

import pages
import pytest
from console_blocks import Shell, path_with, pattern, steps

from factoryledger.broker import free_port

PAGE = (pages.ROOT / "docs" / "tutorial.md").read_text("utf-8")


@pytest.mark.long
@pytest.mark.e2e
def test_the_first_hour(tmp_path):
    """With a port of our own for the broker, and what the page says to save saved."""
    work, port = tmp_path / "work", free_port()
    work.mkdir()
    for name, text in re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, re.DOTALL):
        (work / name).write_text(text, "utf-8")
    shown = list(steps(PAGE))
    assert len(shown) > 20
    broker = f"mqtt://127.0.0.1:{port}"
    with Shell(work, path_with(tmp_path / "bin"), FACTORYLEDGER_BROKER=broker) as shell:
        for command, lines in shown:
            said = shell.run(command.replace("1883", str(port)))
            assert pattern(lines).fullmatch(said), f"$ {command}\n{said}"
