"""What a run was measured on: processor, cores, system, and the programs' versions."""

import os
import platform
import re
import shutil
import sqlite3
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
OURS = ("mqtt5", "uvloop", "msgspec", "sqlalchemy", "pynacl", "cryptography", "pydantic")
PEERS = ("paho-mqtt", "mqtt-logger", "mqtt-recorder")


def processor() -> str:
    """Give its name."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()


def mosquitto() -> str:
    """Give the broker's version."""
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        return "none"
    done = subprocess.run([program, "-h"], capture_output=True, text=True, check=False)
    found = re.search(r"mosquitto version (\S+)", done.stdout)
    return found[1] if found else "unknown"


def peers() -> dict[str, str]:
    """Give the versions of others' programs, which have an environment of their own."""
    program = (
        "import importlib.metadata as m, sys\n"
        "print(*(f'{d.name.lower()} {d.version}' for d in m.distributions()), sep='\\n')"
    )
    python = ROOT / ".venv-peers/bin/python"
    if not python.exists():
        return {}
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True)
    found = dict(line.split() for line in done.stdout.splitlines())
    return {name: found[name] for name in PEERS if name in found}


def machine() -> dict[str, Any]:
    """Give what a reader needs to judge the rates by."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "programs": {
            "Python": platform.python_version(),
            "Mosquitto": mosquitto(),
            "SQLite": sqlite3.sqlite_version,
        },
        "packages": {name: _version(name) for name in OURS},
        "peers": peers(),
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
