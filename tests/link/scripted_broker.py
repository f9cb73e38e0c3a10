"""A broker that follows a script: the MQTT server that a test wants to meet."""

import asyncio
import contextlib

import mqtt5

from telemetry.address import Address


@contextlib.asynccontextmanager
async def scripted(*scripts):
    """Serve MQTT by script: the n-th connection by the n-th script, the last one for the rest."""
    seen, open_now = [], set()

    async def serve(reader, writer):
        seen.append(writer)
        open_now.add(asyncio.current_task())
        # A cancelled server ends its connections without a word of asyncio's.
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await scripts[min(len(seen), len(scripts)) - 1](Peer(reader, writer))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Address("127.0.0.1", server.sockets[0].getsockname()[1]), seen
    finally:
        server.close()
        for task in open_now:
            task.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)
        for writer in seen:
            # What it still had to say, nobody reads: a close alone would wait for that.
            writer.transport.abort()
        await asyncio.sleep(0)
        await server.wait_closed()


class Peer:
    """The broker's end of one connection, packet by packet."""

    def __init__(self, reader, writer):
        self._reader, self._writer, self._rest = reader, writer, b""

    async def next(self):
        while True:
            try:
                packet, length = mqtt5.read(memoryview(self._rest))
            except IndexError:
                data = await self._reader.read(65_536)
                if not data:
                    raise ConnectionError from None
                self._rest += data
            else:
                self._rest = self._rest[length:]
                return packet

    def say(self, *packets):
        self._writer.write(b"".join(packet.write() for packet in packets))

    async def accept(self, **offer):
        connect = await self.next()
        self.say(mqtt5.ConnAckPacket(**offer))
        return connect

    async def serve(self):
        """Answer what wants an answer, until the end."""
        while True:
            packet = await self.next()
            if isinstance(packet, mqtt5.PublishPacket) and packet.packet_id:
                self.say(mqtt5.PubAckPacket(packet.packet_id))
            if isinstance(packet, mqtt5.SubscribePacket):
                granted = [mqtt5.SubAckReasonCode(1)] * len(packet.topic_filters)
                self.say(mqtt5.SubAckPacket(packet.packet_id, granted))


async def good(peer):
    await peer.accept()
    await peer.serve()


async def deaf(peer):
    """Take the connection and never answer again."""
    await peer.accept()
    while True:
        await peer.next()


async def refuse(peer):
    await peer.next()
    peer.say(mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode(0x86)))
    await asyncio.sleep(1)
