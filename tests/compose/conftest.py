"""The stack, brought up once for all its tests and taken down with all that it made."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

# Tests are imported by path; the modules that they share are not, so their folder is named.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def say(request):
    """Print a line that is seen also where output is captured."""
    manager = request.config.pluginmanager.getplugin("capturemanager")
    began = time.monotonic()

    def line(text):
        with manager.global_and_fixture_disabled():
            print(f"\n[{time.monotonic() - began:5.0f} s] {text}", flush=True)  # noqa: T201

    return line


@pytest.fixture(scope="session")
def stack(say):
    from stack import IMAGE, Stack, megabytes

    try:
        subprocess.run(["docker", "version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no container engine answers")
    made = Stack()
    made.all_down("--remove-orphans")
    made.volumes = made.all_volumes()
    began = time.monotonic()
    made.compose("build", "init")
    built = time.monotonic()
    say(f"image: {megabytes(IMAGE):.0f} MB, built in {built - began:.0f} s")
    try:
        began = time.monotonic()
        made.compose("up", "--detach", "--wait", "--wait-timeout", "180")
        say(f"up from nothing, all healthy: {time.monotonic() - began:.0f} s")
        yield made
    finally:
        made.all_down("--remove-orphans")
