"""What tests of a fleet share: keys of its machines, a log's checkpoints, checks of what came."""

import asyncio
import hashlib

from simulator.offline import test_key
from simulator.outbox import Outbox
from telemetry.keyring import Keyring, KeyStatement
from telemetry.message import Cited


class LogKey:
    """Checks checkpoints by the log's signature alone, as a policy with `quorum none`."""

    def __init__(self):
        from anchor.note import SignerKey

        self.key = SignerKey.from_seed("log.example", bytes([3]) * 32)

    def note(self, size):
        from anchor.checkpoint import Checkpoint, sign_checkpoint

        root = hashlib.sha256(size.to_bytes(8, "big")).digest()
        return sign_checkpoint(Checkpoint("log.example", size, root), self.key)

    def check(self, note):
        from anchor.checkpoint import open_checkpoint

        checkpoint = open_checkpoint(note, self.key.verifier)
        return Cited(checkpoint.size, hashlib.sha256(note).digest())


def keyring_of(machines, seed):
    keyring = Keyring()
    for machine in machines:
        key = test_key(seed, machine.name).public_key
        entry = hashlib.sha256(machine.name.encode()).digest()
        keyring.apply(KeyStatement(entry, "enrol", "device", machine.name, 1, key))
    return keyring


def memory_boxes(machines, seed):
    """Outboxes that live as long as the test."""
    return {m.name: Outbox(m.name, test_key(seed, m.name), m.topic) for m in machines}


def run(main, seconds=40):
    async def bounded():
        async with asyncio.timeout(seconds):
            return await main()

    return asyncio.run(bounded())


def check_chains(giver, machines):
    """Every session without a gap, every link good, sessions joined."""
    for machine in machines:
        last, starts = {}, {}
        for session, messages in giver.sessions(machine.name).items():
            assert [seq for seq, _ in messages] == list(range(len(messages)))
            prev = None
            for seq, judged in messages:
                if seq:
                    assert judged.message.prev == prev
                prev = judged.body_hash
            starts[session], last[session] = messages[0][1].message.prev, prev
        firsts = [prev for prev in starts.values() if prev is None]
        assert len(firsts) == 1
        assert {prev for prev in starts.values() if prev} <= set(last.values())
