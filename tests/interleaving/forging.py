"""What strangers do to a world, or a machine's thief: messages and receipts that come from them."""

from dataclasses import replace
from hashlib import sha256

from interleaving.processes import LARGEST
from interleaving.works import FORGER, START, STRANGER, identity

from anchor.receipts import ReceiptTree
from telemetry.message import compose
from telemetry.receipt import ReceiptLeaf
from telemetry.signature import seal


class Forging:
    """Acts of a world; each is given two numbers from 0 to 1 that say to whom and how."""

    def do_plain(self, a, b):
        """Something that is no machine's, often the same bytes."""
        if self.broker.up:
            self._plain += 1
            value = int(a * 3) if b < 0.5 else self._plain
            self.broker.publish("plain/thermometer", b"%d" % value)
            self.events["plain published"] += 1

    def do_replay(self, a, b):
        """Somebody sends what a machine had sent, once more."""
        if self._published and self.broker.up:
            message = self._published[int(a * len(self._published))]
            self.events["message replayed"] += 1
            self.broker.publish(message.topic, message.payload)

    def do_forge(self, a, b):
        """Somebody takes a machine's next numbers, with a key that is nobody's."""
        if not self.broker.up:
            return
        self._forged += 1
        machine = self.machines[int(a * len(self.machines))]
        session = max((s for d, s, _ in self.ghost.recorded if d == machine.name), default="0" * 16)
        body = compose(
            kind="telemetry", device=machine.name, session=session, seq=int(b * 20), prev=None,
            anchor=None, time=START + self._forged, key=machine.key.key_id,
            readings={"temperature": 1.0},
        )  # fmt: skip
        self.events["message forged"] += 1
        self.broker.publish(str(machine.topic), seal(FORGER, machine.topic, body))

    def do_clone(self, a, b):
        """A machine's own key signs something else under a number that is stored already."""
        stored = sorted(self.ghost.stored)
        if stored and self.broker.up:
            device, session, seq = stored[int(a * len(stored))]
            machine = next(one for one in self.machines if one.name == device)
            self._forged += 1
            body = compose(
                kind="telemetry", device=device, session=session, seq=seq, prev=None, anchor=None,
                time=START + self._forged, key=machine.key.key_id,
                readings={"temperature": float(self._forged)},
            )  # fmt: skip
            self.broker.publish(str(machine.topic), seal(machine.key, machine.topic, body))

    def do_odd(self, a, b):
        """Something too large, of a machine that nobody knows, or signed and no message."""
        if not self.broker.up:
            return
        self._forged += 1
        topic, stranger = self.machines[0].topic, replace(self.machines[0].topic, machine="lathe")
        body = b'{"device":"lathe","session":"%016x","seq":0,' % self._forged
        kinds = (
            ("plain/large", b"%d" % self._forged + bytes(LARGEST)),
            (str(stranger), seal(FORGER, stranger, compose(
                kind="telemetry", device="lathe", session=f"{self._forged:016x}", seq=0, prev=None,
                anchor=None, time=START, key=FORGER.key_id, readings={"temperature": 1.0},
            ))),
            (str(topic), seal(FORGER, topic, body)),
        )  # fmt: skip
        self.broker.publish(*kinds[int(a * 3)])

    def do_old_receipt(self, a, b):
        """A receipt comes late, or twice, or to a machine of another name."""
        receipts = self.ghost.receipts
        if receipts and self.broker.up:
            topic, payload = receipts[int(a * len(receipts))]
            if b > 0.8:
                topic = str(self.machines[0].topic.with_kind("receipt"))
            self.events["receipt doubled"] += 1
            self.broker.publish(topic, payload)

    def do_false_receipt(self, a, b):
        """A receipt for what is in an outbox: by a stranger's key, or a collector's that lies."""
        fleet = self._fleet(a)
        outbox = fleet.outboxes[int(b * 997) % len(fleet.outboxes)]
        held = list(outbox._held.values())
        if not (held and self.broker.up and self.ghost.collectors):
            return
        last = held[int(b * 31) % len(held)]
        known = min(self.ghost.collectors)
        leaf = ReceiptLeaf(
            collector=known, device=outbox.device, session=last.session,
            ranges=((max(0, last.seq - int(b * 5)), last.seq),),
            bodies=sha256(repr((a, b)).encode()).digest(), anchored_by=START,
        )  # fmt: skip
        tree = identity(known).receipts if a * 7 % 1 < 0.6 else ReceiptTree(STRANGER)
        self.events["receipt forged or lying"] += 1
        for machine in self.machines:
            if machine.name == outbox.device:
                topic = str(machine.topic.with_kind("receipt"))
                self.broker.publish(topic, tree.seal([leaf.to_bytes()])[0])

    def _note(self, message):
        if message.payload in self.ghost.places:
            self._published.append(message)
            del self._published[:-100]
