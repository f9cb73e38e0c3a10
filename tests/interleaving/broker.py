"""A broker as MQTT 5 lets one be: sessions, windows, queues that overflow, restarts that forget.

Not Mosquitto, but what it does and may do: PUBACK 0x00 for what its full queue drops, 0x10 for
what nobody hears, all of a session again after a reconnect, an old state after a crash, or none.
"""

import copy
from collections import deque
from dataclasses import dataclass, field
from typing import ClassVar

import mqtt5

from telemetry.topic import matches


@dataclass
class Message:
    """One publication; `number` is the broker's own, to tell equal ones apart."""

    number: int
    topic: str
    payload: bytes
    qos: int
    retain: bool = False
    properties: dict = field(default_factory=dict)


@dataclass
class Session:
    """What the broker keeps of a client."""

    name: str
    filters: dict = field(default_factory=dict)
    queue: deque = field(default_factory=deque)
    flying: dict = field(default_factory=dict)  # packet id: Message, in order of sending
    last_id: int = 0
    expiry: int = 0
    window: int = 20
    receive_max: int = 65535  # the client's own bound


class SimulatedBroker:
    """State of one broker over its restarts; `events` counts what it did."""

    def __init__(self, scheduler, events, *, most_queued=1000, window=20, keeps=True, anew=False):
        self.up = True
        self.sessions = {}
        self.retained = {}
        self._scheduler = scheduler
        self._events = events
        self._clients = {}  # name: Connection
        self._connections = {}  # Connection: name, None before CONNECT
        self._opening = {}  # Connection: its CONNECT
        self._turn = 0
        self._numbers = 0
        self.most_queued, self.window = most_queued, window
        self.keeps, self._anew = keeps, anew
        self._saved = ({}, {})
        self.busy = False  # refuses who connects
        self.full = False  # refuses what is published
        self.published = lambda message: None  # a hook of the world's

    # --- the network's calls -----------------------------------------------------------
    def connected(self, connection):
        self._connections[connection] = None

    def lost(self, connection):
        """A connection is gone without a word."""
        opening = self._opening.get(connection)
        if self._forget(connection) and opening is not None and opening.will is not None:
            will = opening.will
            self.publish(will.topic, will.payload or b"", int(will.qos), retain=will.retain)

    def receive(self, connection, packet):
        self._HEAR[type(packet)](self, connection, packet)

    # --- the world's calls -------------------------------------------------------------
    def crash(self):
        """Killed: what is not saved is gone, and every connection."""
        self.up = False
        for connection in list(self._connections):
            connection.close_broker(flush=self._scheduler.random.random() < 0.5)
        self._connections.clear()
        self._clients.clear()
        self._opening.clear()
        self.sessions, self.retained = copy.deepcopy(self._saved) if self.keeps else ({}, {})

    def start(self):
        self.up = True

    def save(self):
        """What autosave writes: the state as it stands, to be found after a crash."""
        self._saved = copy.deepcopy((self.sessions, self.retained))

    def displace(self, number):
        """Somebody connects under a client's name, and is gone again."""
        names = sorted(self._clients)
        if names:
            connection = self._clients[names[int(number * len(names))]]
            code = mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER
            connection.send(mqtt5.DisconnectPacket(reason_code=code).write())
            connection.close_broker()
            self._forget(connection)
            self._events["displaced by a twin"] += 1

    def garble(self, number):
        """A connection brings bytes that are no MQTT."""
        names = sorted(self._clients)
        if names:
            self._events["bytes that are no packet"] += 1
            self._clients[names[int(number * len(names))]].send(b"\x00\x03abc")

    def hears(self, process):
        """Whether one of this process's connections has its subscriptions."""
        return any(
            connection.process is process and self.sessions[name].filters
            for name, connection in self._clients.items()
        )

    def expire(self):
        """The sessions of who is away end."""
        for name in [name for name in self.sessions if name not in self._clients]:
            del self.sessions[name]
            self._events["session expired"] += 1

    def publish(self, topic, payload, qos=1, *, retain=False, properties=None, sender=None):
        """Route a publication; whether anybody is subscribed to it."""
        self._numbers += 1
        message = Message(self._numbers, topic, payload, qos, retain, properties or {})
        if retain:
            if payload:
                self.retained[topic] = message
            else:
                self.retained.pop(topic, None)
        self.published(message)
        groups, found = {}, False
        for session in list(self.sessions.values()):
            for pattern, options in session.filters.items():
                group, wanted = options["group"], options["pattern"]
                if (options["no_local"] and session.name == sender) or not matches(wanted, topic):
                    continue
                found = True
                if group is None:
                    self._enqueue(session, message)
                else:
                    groups.setdefault((group, pattern), []).append(session)
        for sharers in groups.values():
            self._turn += 1
            self._enqueue(sharers[self._turn % len(sharers)], message)
        return found

    # --- packets -----------------------------------------------------------------------
    def _connect(self, connection, packet):
        if self.busy:
            self._events["connection refused by the broker"] += 1
            code = mqtt5.ConnAckReasonCode.SERVER_BUSY
            connection.send(mqtt5.ConnAckPacket(reason_code=code).write())
            connection.close_broker()
            self._forget(connection)
            return
        name = packet.client_id
        other = self._clients.get(name)
        if other is not None:
            self._events["taken over"] += 1
            taken = mqtt5.DisconnectPacket(
                reason_code=mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER
            )
            other.send(taken.write())
            other.close_broker()
            self._forget(other)
        present = name in self.sessions and not packet.clean_start
        if not present:
            self.sessions[name] = Session(name)
        session = self.sessions[name]
        session.expiry = packet.session_expiry_interval
        session.receive_max = packet.receive_max
        session.window = min(self.window, packet.receive_max)
        self._connections[connection] = name
        self._clients[name] = connection
        self._opening[connection] = packet
        connection.send(mqtt5.ConnAckPacket(session_present=present, receive_max=20).write())
        if session.flying:
            self._again(session, connection)
        self._pump(session)

    def _again(self, session, connection):
        """Send what was never acknowledged, in order, first of all."""
        if self._anew:  # against the standard, as RabbitMQ 3 does
            session.flying = dict(enumerate(session.flying.values(), 1))
            session.last_id = len(session.flying)
        for number, message in session.flying.items():
            self._events["sent again after a reconnect"] += 1
            _send(connection, message, number, duplicate=True)

    def _subscribe(self, connection, packet):
        session = self.sessions[self._connections[connection]]
        fresh = []
        for one in packet.topic_filters:
            group, pattern = None, one.pattern
            if pattern.startswith("$share/"):
                _, group, pattern = pattern.split("/", 2)
            if one.pattern not in session.filters and group is None:
                fresh.append(pattern)
            session.filters[one.pattern] = {
                "group": group, "pattern": pattern, "no_local": one.no_local,
                "handling": int(_number(one.retain_handling)),
            }  # fmt: skip
        granted = [mqtt5.SubAckReasonCode(1)] * len(packet.topic_filters)
        connection.send(mqtt5.SubAckPacket(packet.packet_id, granted).write())
        for topic, message in self.retained.items():
            if any(matches(pattern, topic) for pattern in fresh):
                self._enqueue(session, message)

    def _publish(self, connection, packet):
        if self.full and packet.packet_id:
            self._events["publication refused by the broker"] += 1
            code = mqtt5.PubAckReasonCode.QUOTA_EXCEEDED
            connection.send(mqtt5.PubAckPacket(packet.packet_id, reason_code=code).write())
            return
        heard = self.publish(
            packet.topic, packet.payload, int(_number(packet.qos)), retain=packet.retain,
            properties={"user_properties": list(packet.user_properties)},
            sender=self._connections[connection],
        )  # fmt: skip
        if packet.packet_id:
            code = mqtt5.PubAckReasonCode(0 if heard else 0x10)
            self._events["puback of nobody"] += not heard
            connection.send(mqtt5.PubAckPacket(packet.packet_id, reason_code=code).write())

    def _puback(self, connection, packet):
        session = self.sessions.get(self._connections[connection])
        if session is not None:
            session.flying.pop(packet.packet_id, None)
            self._pump(session)

    def _ping(self, connection, packet):
        connection.send(mqtt5.PingRespPacket().write())

    def _disconnect(self, connection, packet):
        session = self.sessions.get(self._connections[connection])
        if session is not None and packet.session_expiry_interval is not None:
            session.expiry = packet.session_expiry_interval
        self._forget(connection)
        connection.close_broker()

    _HEAR: ClassVar = {
        mqtt5.ConnectPacket: _connect,
        mqtt5.SubscribePacket: _subscribe,
        mqtt5.PublishPacket: _publish,
        mqtt5.PubAckPacket: _puback,
        mqtt5.PingReqPacket: _ping,
        mqtt5.DisconnectPacket: _disconnect,
    }

    # --- sessions ----------------------------------------------------------------------
    def _forget(self, connection):
        """Whether it was a client's one connection."""
        name = self._connections.pop(connection, None)
        self._opening.pop(connection, None)
        if name is None or self._clients.get(name) is not connection:
            return False
        del self._clients[name]
        if not self.sessions[name].expiry:
            del self.sessions[name]
        return True

    def _enqueue(self, session, message):
        if len(session.queue) >= self.most_queued:
            self._events["dropped by a full queue"] += 1
            return
        session.queue.append(message)
        self._pump(session)

    def _pump(self, session):
        connection = self._clients.get(session.name)
        if connection is None:
            return
        while session.queue and len(session.flying) < session.window:
            message = session.queue.popleft()
            if not message.qos:
                _send(connection, message, None, duplicate=False)
                continue
            number = session.last_id % self._highest + 1
            while number in session.flying:
                number = number % self._highest + 1
            session.last_id = number
            session.flying[number] = message
            _send(connection, message, number, duplicate=False)

    @property
    def _highest(self):
        """Ids are given again soon: that is what shows who mixes them up."""
        return 2 * self.window + 8


def _send(connection, message, number, *, duplicate):
    def given():
        if number is not None:
            connection.given[number] = message

    packet = mqtt5.PublishPacket(
        message.topic, message.payload, qos=mqtt5.QoS(1 if number else 0), packet_id=number,
        duplicate=duplicate, retain=message.retain, **message.properties,
    )  # fmt: skip
    connection.send(packet.write(), given)


def _number(value):
    """The codec's enums are no ints."""
    return int(value)
