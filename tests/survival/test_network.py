"""Connections cut in the middle of a packet, of machines and collector, again and again."""

import random

import pytest
from cutting_proxy import CuttingProxy
from survival_line import hold, until

from telemetry.link import Address

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    "most", [pytest.param(12, id="some"), pytest.param(100, id="many", marks=pytest.mark.long)]
)
def test_connections_cut_in_mid_packet_lose_and_double_nothing(lay, most):
    seed = random.randrange(2**32)
    line = lay()
    # Some hundred messages of a machine, some thousand of a collector: then it is cut.
    with CuttingProxy(line.broker.port, random.Random(seed), 2_000, 200_000) as proxy:
        line.address = str(Address("127.0.0.1", proxy.port))
        collector, machines = line.collector(), line.machines(6)
        collector.start()
        machines.start()
        until(lambda: proxy.cuts >= most, f"{most} cuts")
        proxy.cutting = False
        machines.stop()
        collector.stop()
        cuts = proxy.cuts

    hold(line.sum(machines.results()), f"{cuts} connections cut in mid-packet, seed {seed}")
