"""Pictures of the terminal for the documents, from a simulated minute: `make screenshots`.

The same pictures each time: the machines, their keys and their clock come from a seed. Run:
python tests/watch/terminal_pictures.py DIR
"""

import asyncio
import re
import sys
import tempfile
from pathlib import Path

from factoryledger.cli import run
from factoryledger.data_dir import DataDir
from factoryledger.enrolment import Enrolments
from factoryledger.installation import installation
from factoryledger.watching import LedgerKeys, keys_at_hand
from simulator.offline import test_key as key_of_recording
from telemetry.link import Arrival
from telemetry.recording import Line, Reading
from watch.terminal.app import WatchApp
from watch.terminal.model import Model

SEED = 7
PICTURES = {
    "watch": ((150, 32), ["down"] * 4),
    "watch-plot": ((80, 24), ["down"] * 4 + ["5", "z"]),
}


def simulated(folder: Path) -> tuple[list[Line], LedgerKeys]:
    """Give a recording's lines, and who knows its machines' keys."""
    recording, data = folder / "r.jsonl", folder / "data"
    asked = ["--machines", "5", "--duration", "75", "--seed", str(SEED), "--out", str(recording)]
    assert run(["simulate", *asked]) == 0
    with recording.open("rb") as file:
        lines = [line for _, line in Reading(file, "r")]
    place = DataDir(data)
    place.create()
    for device in sorted({line.topic.split("/")[4] for line in lines}):
        place.replace_device(device, key_of_recording(SEED, device))
        Enrolments(place).ensure_device(device)
    keys = keys_at_hand(installation(data=data))
    assert keys is not None
    return lines, keys


def heard(line: Line) -> Arrival:
    """Make of a recorded message one that a link heard."""
    return Arrival(
        topic=line.topic,
        payload=line.payload,
        qos=0,
        retain=line.retain,
        duplicate=False,
        properties=line.properties,
        packet_id=None,
        epoch=1,
    )


async def picture(
    lines: list[Line], keys: LedgerKeys, size: tuple[int, int], pressed: list[str]
) -> str:
    """Draw the application after it heard all of it, a second at a time."""
    now = [lines[0].received]
    model = Model("mqtt://127.0.0.1:1883", ["#"], lambda: now[0])
    for line in lines:
        if line.received > now[0]:
            now[0] = line.received
            model.tree.fold(now[0])
        model.hear([heard(line)])
    app = WatchApp(model, signatures=keys, beat=60)
    async with app.run_test(size=size) as pilot:
        await pilot.press(*pressed)
        app.beat()
        await pilot.pause()
        return app.export_screenshot(title="factoryledger watch")


def plain_svg(svg: str) -> str:
    """Take out what a picture would load from elsewhere, and what changes by chance."""
    svg = re.sub(r"@font-face \{[^}]*\}\s*", "", svg)
    svg = svg.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace")
    numbers = sorted(set(re.findall(r"terminal-(\d+)-", svg)))
    for number in numbers:
        svg = svg.replace(f"terminal-{number}-", "terminal-")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def main() -> None:
    """Write every picture into a folder."""
    into = Path(sys.argv[1])
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        lines, keys = simulated(Path(folder))
        for name, (size, pressed) in PICTURES.items():
            svg = plain_svg(asyncio.run(picture(lines, keys, size, pressed)))
            (into / f"{name}.svg").write_text(svg)


if __name__ == "__main__":
    main()
