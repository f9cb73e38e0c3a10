"""The product, broken on purpose: each of these must be found, and by which invariant.

Every breakage takes one line of the product out, in its place, while it lasts.
"""

from contextlib import contextmanager
from types import SimpleNamespace

from interleaving import store as store_module

from collector import claims, service
from simulator import courier, delivery, disk, outbox, outbox_file
from telemetry import unacknowledged


@contextmanager
def _replaced(owner, name, other):
    kept = owner.__dict__[name]
    setattr(owner, name, other)
    try:
        yield
    finally:
        setattr(owner, name, kept)


def acknowledge_before_commit():
    """The collector acknowledges what it has read, before it is committed."""
    whole = service.Service._take

    def take(self, batch):
        self._link.acknowledge(batch.arrivals)
        self._link._upkeep.wire and self._link._upkeep.wire._flush()
        return whole(self, batch)

    return _replaced(service.Service, "_take", take)


def receipt_not_compared():
    """The outbox lets go of what a receipt names, whatever its digest."""
    return _replaced(outbox.Outbox, "_matches", lambda self, leaf: True)


def generation_ignored():
    """An acknowledgement goes by packet id alone, whichever connection it came on."""

    def acknowledge(self, arrivals):
        for one in arrivals:
            known = self._arrivals.get(one.packet_id)
            if known is not None:
                known.marked = True
        due = []
        for one in self._arrivals.values():
            if not one.marked:
                break
            due.append(one)
        for one in due:
            del self._arrivals[one.packet_id]
        return due

    return _replaced(unacknowledged.Unacknowledged, "acknowledge", acknowledge)


@contextmanager
def unique_index_removed():
    """Nothing in the database keeps two collectors from taking one number."""
    _, engine, empty = store_module._database()
    script = "".join(f"{line}\n" for line in empty.iterdump())
    empty.executescript(
        "CREATE TABLE kept AS SELECT * FROM claims; DROP TABLE claims; "
        "ALTER TABLE kept RENAME TO claims;"
    )
    try:
        yield
    finally:
        store_module._database.cache_clear()
        engine.dispose()
        del script


def claims_not_forgotten():
    """A collector that lost the race for a number goes on with what it thought it knew."""
    return _replaced(claims.StoredClaims, "forget", lambda self: None)


def fsync_removed():
    """The outbox says durable and has not asked the disk."""
    return _replaced(outbox_file.FileJournal, "_flush", lambda self, descriptor, path: None)


def folder_not_synced():
    """The outbox file's new name is not on the disk."""

    def rewrite(self, head, contents):
        folder, self._disk = self._disk, _NoFolders(self._disk)
        try:
            whole(self, head, contents)
        finally:
            self._disk = folder

    whole = outbox_file.FileJournal.rewrite
    return _replaced(outbox_file.FileJournal, "rewrite", rewrite)


def fsync_believed_after_a_failure():
    """What can be read at the start is taken for what is on the disk."""
    whole = outbox_file.FileJournal._replace

    def reopen(self, data):
        if self._disk.exists(self._path) and self._disk.read(self._path).startswith(data):
            self._reopen(len(data))
        else:
            whole(self, data)

    return _replaced(outbox_file.FileJournal, "_replace", reopen)


class _NoFolders:
    def __init__(self, disk):
        self._disk = disk

    def __getattr__(self, name):
        return getattr(self._disk, name)

    def sync_folder(self, path):
        """Nothing."""


def not_sent_again_after_reconnect():
    """On a new connection nothing that was out is sent again, nor later."""

    def restart(self, entries):
        queued = {*self._queue[self._left :]}
        held = [e for e in entries if e not in self._out and e not in queued]
        self._queue = self._queue[self._left :] + held
        self._left = 0
        for entry in self._out:
            self._out[entry] = 1e12

    return _replaced(delivery.Delivery, "restart", restart)


def never_sent_again():
    """What has no receipt is not sent again on the same connection."""
    return _replaced(delivery.Delivery, "resend_due", lambda self, now: None)


def puback_frees():
    """A PUBACK is taken for a receipt."""
    whole = courier.Courier.acknowledged

    def acknowledged(self, entry, code):
        whole(self, entry, code)
        if code == 0 and self.outbox.holds(entry):
            self.outbox._forget([entry])
            leaf = SimpleNamespace(session=entry.session, ranges=((entry.seq, entry.seq),))
            self.outbox._ghost.lets_go(self.outbox.device, [entry], leaf)
            self._delivery.gone([entry], receipted=True)

    return _replaced(courier.Courier, "acknowledged", acknowledged)


def receipt_before_commit():
    """Receipts are owed for what is about to be committed."""
    from collector.ledger import Ledger

    whole = Ledger._commit

    def commit(self, batch, *rest):
        self._pending.add(batch.receipted, now=self._monotonic(), anchored_by=1 << 50)
        return whole(self, batch, *rest)

    return _replaced(Ledger, "_commit", commit)


def failed_commit_taken_for_good():
    """A commit that failed is taken for one that stands."""
    from sqlalchemy.exc import DBAPIError

    from collector import ledger
    from collector.errors import Contested

    whole = ledger.put_surely

    def put(shelf, commit, patience):
        try:
            shelf.put(commit)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == "23505":
                raise Contested(str(error)) from error

    del whole
    return _replaced(ledger, "put_surely", put)


def dup_decides():
    """Whatever comes with DUP is taken for what came before."""
    from telemetry.redelivery import Redelivery

    return _replaced(Redelivery, "knows", lambda self, arrival: arrival.duplicate)


def sent_before_durable():
    """What is recorded is sent, whether or not it is on the disk."""
    return _replaced(outbox.Outbox, "ready", _ready)


def _ready(self):
    taken, self._fresh = self._fresh, []
    return [entry for entry in taken if entry.place in self._held]


def duplicates_of_one_batch_kept():
    """Claims of the batch itself do not count while it is built."""
    from collector import batch

    whole = batch.build_batch

    def build(judged, **how):
        parts = [whole([one], **how) for one in judged]
        return parts[0] if len(parts) == 1 else whole(judged, **how)

    return _replaced(batch, "build_batch", build)


BREAKAGES = {
    one.__name__: one
    for one in (
        acknowledge_before_commit, receipt_not_compared, generation_ignored, unique_index_removed,
        fsync_removed, folder_not_synced, not_sent_again_after_reconnect, never_sent_again,
        puback_frees, receipt_before_commit, sent_before_durable, claims_not_forgotten,
        failed_commit_taken_for_good, dup_decides,
    )
}  # fmt: skip
_ = disk
