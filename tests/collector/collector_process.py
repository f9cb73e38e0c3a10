"""A collector as a process of its own, for tests that kill it.

Arguments: folder, port, prefix, number of machines enrolled (press-0, press-1, …).
"""

import asyncio
import signal
import sys
from functools import partial
from pathlib import Path

import structlog

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2]))

from conftest import Works

from collector.service import collect
from telemetry.link import Address, Link


async def main(folder, port, prefix, machines):
    works = Works(Path(folder))
    for number in range(int(machines)):
        works.machine(f"press-{number}", prefix=prefix)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    stats = await collect(
        store_url=works.url,
        link=partial(Link, Address("127.0.0.1", int(port))),
        filters=[f"{prefix}/#"],
        identity_for=works.identity_for,
        authority=works.authority,
        requests=works.requests,
        prefix=prefix,
        flush_seconds=0.02,
        processes=2,
        stop=stop,
        on_ready=lambda: sys.stdout.write("ready\n") and sys.stdout.flush(),
        new_id=lambda: "c0ffee0000000002",
    )
    assert stats.conserved


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(*sys.argv[1:]))
