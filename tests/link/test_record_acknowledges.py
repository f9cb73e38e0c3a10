"""What `record` acknowledges, seen from the broker: what is in the file, and nothing else."""

import asyncio
import io

import mqtt5
import pytest
from scripted_broker import scripted

from recorder.record import record
from telemetry.recording import read


async def acknowledged(count, exclude=()):
    """Send five messages in one piece; give what is recorded, and the packet ids answered."""
    answered = []

    async def send(peer):
        await peer.accept()
        subscribe = await peer.next()
        messages = [
            mqtt5.PublishPacket(f"t/{n}", payload=b"%d" % n, qos=mqtt5.QoS(1), packet_id=n)
            for n in range(1, 6)
        ]
        granted = mqtt5.SubAckPacket(subscribe.packet_id, [mqtt5.SubAckReasonCode(1)])
        peer.say(granted, *messages)
        while True:
            packet = await peer.next()
            if isinstance(packet, mqtt5.PubAckPacket):
                answered.append(packet.packet_id)

    out = io.BytesIO()
    async with scripted(send) as (address, _):
        work = record(
            address=address, filters=["t/#"], exclude=exclude, out=out, stop=asyncio.Event(),
            count=count,
        )  # fmt: skip
        await asyncio.wait_for(work, 10)
    out.seek(0)
    return [line.payload for _, line in read(out, "r")], answered


@pytest.mark.parametrize(
    ("count", "exclude", "recorded", "answered"),
    [
        (5, [], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5]),
        (3, [], [1, 2, 3], [1, 2, 3]),
        (2, ["t/2", "t/4"], [1, 3], [1, 2, 3]),
    ],
)
def test_nothing_beyond_the_count_is_acknowledged(count, exclude, recorded, answered):
    got, told = asyncio.run(acknowledged(count, exclude))
    assert (got, told) == ([b"%d" % n for n in recorded], answered)
