"""A source's broker that says what is no MQTT: a server in this process, its packets by hand."""

import asyncio

import pytest
from structlog.testing import capture_logs

from gateway.mqtt_source import MqttSource
from telemetry.address import NOBODY, Address
from telemetry.backoff import Backoff

CONNACK, SUBACK = b"\x20\x02\x00\x00", b"\x90\x03\x00\x01\x01"
GOOD = b"\x30\x04\x00\x01ab"
NONE_OF_IT = {
    "a topic that is no UTF-8": (b"\x30\x04\x00\x02a\xff", "it sent what is no MQTT"),
    "a packet that ends too early": (b"\x32\x01\x00", "the connection ended"),
}


@pytest.mark.parametrize("name", NONE_OF_IT)
def test_what_is_no_mqtt_costs_the_connection_and_no_more(name):
    packet, why = NONE_OF_IT[name]
    heard, said, served, forgot = [], [packet, GOOD], [], []

    async def serve(reader, writer):
        served.append(asyncio.current_task())
        await reader.read(1000)
        writer.write(CONNACK)
        await reader.read(1000)
        writer.write(SUBACK)
        await asyncio.sleep(0.1)
        writer.write(said.pop(0))
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async def main():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        source = MqttSource(
            Address("127.0.0.1", port, tls=False),
            client_id="g",
            filters=[("#", 1)],
            credentials=NOBODY,
            backoff=Backoff(first=0.05, limit=0.05),
        )
        await source.start(heard.extend, lambda: forgot.append(len(served)))
        running = asyncio.create_task(source.run())
        async with asyncio.timeout(20):
            while not heard and not running.done():  # noqa: ASYNC110 - from a callback
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait([running])
        await source.close()
        server.close()
        await asyncio.wait(served)
        assert running.cancelled(), running.exception()
        assert source.losses == 1

    with capture_logs() as logs:
        asyncio.run(main())
    told = [one["event"] for one in logs]
    assert told == ["source lost", "source forgot its session", "source back"]
    assert why in logs[0]["why"]
    assert forgot == [1, 2], "each session is new: CONNACK says so"
    assert [(one.topic, one.payload) for one in heard] == [("a", b"b")]
