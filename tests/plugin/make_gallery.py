"""The gallery of recordings: `python tests/plugin/make_gallery.py [FOLDER]` writes it anew."""

import contextlib
import io
import sys
from pathlib import Path

from factoryledger.cli import run
from factoryledger.testing.replays import GALLERY
from telemetry.properties import Properties
from telemetry.recording import Header, Line, Writer

START = 1_767_225_600_000_000
SPARKPLUG = """\
description: A cell whose machines speak Sparkplug B.
lines:
  - name: cell
    area: machining
    machines:
      - {kind: mill, language: sparkplug}
      - {kind: robot, language: sparkplug}
"""
FAULTS = (
    "stuck:compressor-01/discharge_pressure@5+10",
    "spikes:mill-01/power@8+10",
    "replayed-message:mill-01@10+10,share=0.5",
    "forged-sender:moulding-01@12+5,key=machine",
)


def make(folder):
    """Write every recording of the gallery."""
    folder.mkdir(parents=True, exist_ok=True)
    simulate(folder / "workshop.jsonl", "--machines", "3", "--duration", "30")
    faults = [word for fault in FAULTS for word in ("--fault", fault)]
    simulate(folder / "faults.jsonl", "--machines", "3", "--duration", "25", *faults)
    scenario = folder / "sparkplug.yaml"
    scenario.write_text(SPARKPLUG)
    simulate(folder / "sparkplug.jsonl", "--scenario", str(scenario), "--duration", "15")
    scenario.unlink()
    with (folder / "odd.jsonl").open("wb") as file:
        header = Header("made by hand: every shape that MQTT carries", ("#",), "simulated", START)
        with Writer(file, header) as writer:
            for line in odd_lines():
                writer.write(line)


def simulate(out, *words):
    """Run `factoryledger simulate`, quietly."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = run(["simulate", *words, "--seed", "7", "--out", str(out)])
    assert code == 0, out


def odd_lines():
    """Payloads, topics, QoS, retain and properties of every shape."""
    payloads = [
        *(b"", b"plain", "grüße €".encode(), bytes(range(256)), b"\xff\xfe"),
        *(b'{"a":1.50}', b'{"a":1}', b" null ", b"\0", b"large" * 2000),
    ]
    rich = Properties(
        payload_format_indicator=1,
        content_type="application/json",
        response_topic="odd/answers",
        correlation_data=b"\x00\xff",
        user_properties=(("name", "1"), ("name", "2"), ("", "")),
        message_expiry_interval=3600,
    )
    for number, payload in enumerate(payloads):
        yield Line(START + number * 100_000, f"odd/{number}", payload, number % 3)
    late = START + 1_000_000
    yield Line(late, "odd/ü/$x y//", b"topic", 1, retain=True)
    yield Line(late, "odd/rich", b'{"t":"2026-01-01T00:00:01.000Z"}', 1, properties=rich)
    yield Line(late, "odd/once", b"at the same time", 0)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if sys.argv[1:] else GALLERY)
