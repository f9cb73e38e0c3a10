"""Connections between simulated processes and the simulated broker.

TCP's promise and not more: bytes in order, late, in pieces, and from some moment on not at all,
which either side learns at a moment of its own, or only by silence. What a process has written
when it is killed may still arrive; what the other side is sure of is what it was told.
"""

import asyncio

import mqtt5


class Network:
    """Makes connections to the broker; `slow` stretches every delay."""

    def __init__(self, scheduler, broker):
        self.scheduler = scheduler
        self.broker = broker
        self.slow = 1.0
        self.refuses = set()  # names of processes that nothing lets through
        self.connections = []
        self._ports = 0

    def connector(self, process, watch):
        """What `create_connection` is for this process; `watch` sees the packets that it writes."""

        async def connect(factory):
            await asyncio.sleep(self.delay())
            if process.name in self.refuses or not self.broker.up:
                raise ConnectionRefusedError(111, "Connection refused")
            self._ports += 1
            protocol = factory()
            connection = Connection(self, process, protocol, watch, self._ports)
            self.connections = [one for one in self.connections if not one.over]
            self.connections.append(connection)
            self.broker.connected(connection)
            protocol.connection_made(connection.transport)
            return connection.transport, protocol

        return connect

    def delay(self):
        random = self.scheduler.random
        return self.slow * random.choice((0.0001, 0.0005, 0.002, 0.002, 0.02))

    def of(self, process):
        """Its connections that are not over on both sides."""
        return [one for one in self.connections if one.process is process and not one.over]


class Connection:
    """One TCP connection; the client's end is `transport`."""

    def __init__(self, network, process, protocol, watch, port):
        self._network = network
        self._scheduler = network.scheduler
        self.process = process
        self.protocol = protocol
        self.transport = Transport(self, port)
        self.watch = watch
        self.up = self.down = True  # whether bytes still pass that way
        self.client_open = self.broker_open = True
        self._up_at = self._down_at = 0.0
        self._held = []  # what came while the client did not read
        self.reading = True
        self.in_flight = 0
        self.writing_paused = False
        # The watcher's: what the client has been given and what it has answered.
        self.given = {}
        self.kind = None

    @property
    def over(self):
        return not (self.client_open or self.broker_open)

    # --- from the client ---------------------------------------------------------------
    def write(self, data):
        """Packet by packet: the product writes whole ones."""
        view, start = memoryview(data), 0
        while start < len(data):
            packet, length = mqtt5.read(view[start:])
            start += length
            self.watch(self, packet)
            self._send_up(lambda packet=packet: self._network.broker.receive(self, packet), length)

    def _send_up(self, call, size):
        self.in_flight += size
        self._up_at = max(self._up_at, self._scheduler.now + self._network.delay())

        def arrive():
            self.in_flight -= size
            if self.up and self.broker_open:
                call()
            if self.writing_paused and self.in_flight <= 1024:
                self.writing_paused = False
                self._tell(self.protocol.resume_writing)

        self._scheduler.at(self._up_at, None, arrive)
        if self.in_flight > 8192 and not self.writing_paused and self.client_open:
            self.writing_paused = True
            self.protocol.pause_writing()

    def close_client(self, *, flush):
        """The client closes: what it wrote still goes (`flush`), or not."""
        if not self.client_open:
            return
        self.client_open = False
        if not flush:
            self.up = False
        self._tell(lambda: self.protocol.connection_lost(None))
        self._up_at = max(self._up_at, self._scheduler.now + self._network.delay())
        self._scheduler.at(self._up_at, None, self._broker_hears_of_the_end)

    def _broker_hears_of_the_end(self):
        if self.broker_open:
            self.broker_open = False
            self._network.broker.lost(self)

    # --- from the broker ---------------------------------------------------------------
    def send(self, data, on_delivery=None):
        """Bytes to the client, in one piece or in two; `on_delivery` with the last of them."""
        random = self._scheduler.random
        self._down_at = max(self._down_at, self._scheduler.now + self._network.delay())
        pieces = [data]
        if len(data) > 2 and random.random() < 0.1:
            at = random.randrange(1, len(data))
            pieces = [data[:at], data[at:]]
        for number, piece in enumerate(pieces):
            last = on_delivery if number == len(pieces) - 1 else None
            self._scheduler.at(
                self._down_at, None, lambda piece=piece, last=last: self._deliver(piece, last)
            )
            if len(pieces) > 1:
                self._down_at += random.choice((0, 0.01))

    def _deliver(self, data, on_delivery):
        if not (self.down and self.client_open):
            return
        self._held.append((data, on_delivery))
        self._drain()

    def _drain(self):
        """Give what came to the client, all in one read, when it is its turn."""
        if len(self._held) == 1 and self.reading:
            self._tell(self._read)

    def _read(self):
        if not (self.reading and self.client_open) or not self._held:
            return
        held, self._held = self._held, []
        for _, on_delivery in held:
            if on_delivery is not None:
                on_delivery()
        self.protocol.data_received(b"".join([data for data, _ in held]))

    def listen(self, *, on):
        self.reading = on
        if on and self._held:
            self._tell(self._read)

    def close_broker(self, *, flush=True):
        """The broker closes; the client hears of it after what is on its way."""
        if not self.broker_open:
            return
        self.broker_open = False
        if not flush:
            self.down = False
        self._down_at = max(self._down_at, self._scheduler.now + self._network.delay())
        self._scheduler.at(self._down_at, None, self._client_hears_of_the_end)

    def _client_hears_of_the_end(self):
        if not self.client_open:
            return
        if self._held and not self.reading:
            self._scheduler.later(0.05, None, self._client_hears_of_the_end)
            return
        self.client_open = False
        self._tell(lambda: self.protocol.connection_lost(None))

    # --- from the network --------------------------------------------------------------
    def cut(self):
        """Reset: nothing more passes, either side learns of it when it does."""
        self.up = self.down = False
        for hear in (self._cut_client, self._broker_hears_of_the_end):
            self._scheduler.later(self._network.delay() * 5, None, hear)

    def _cut_client(self):
        if self.client_open:
            self.client_open = False
            self._held.clear()
            self._tell(lambda: self.protocol.connection_lost(ConnectionResetError(104, "reset")))

    def swallow(self, *, up=True, down=True):
        """Nothing passes any more that way, and nobody is told."""
        self.up, self.down = self.up and not up, self.down and not down

    def orphan(self, *, arrives):
        """The client's process is gone: its system closes the connection for it."""
        self.client_open = False
        self.up = self.up and arrives
        self._up_at = max(self._up_at, self._scheduler.now + self._network.delay())
        self._scheduler.at(self._up_at, None, self._broker_hears_of_the_end)

    def _tell(self, call):
        self._scheduler.at(self._scheduler.now, self.process, call)


class Transport(asyncio.Transport):
    """The client's end, as asyncio has it."""

    def __init__(self, connection, port):
        super().__init__({"sockname": ("127.0.0.1", 40_000 + port), "peername": ("127.0.0.1", 1)})
        self._connection = connection

    def write(self, data):
        connection = self._connection
        if connection.client_open and connection.process.alive:
            connection.write(data)

    def is_closing(self):
        return not self._connection.client_open

    def close(self):
        if self._connection.process.alive:
            self._connection.close_client(flush=True)

    def abort(self):
        if self._connection.process.alive:
            self._connection.close_client(flush=False)

    def pause_reading(self):
        self._connection.listen(on=False)

    def resume_reading(self):
        self._connection.listen(on=True)

    def is_reading(self):
        return self._connection.reading
