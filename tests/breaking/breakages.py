"""What is broken on purpose, and which tests have to see it.

A breakage takes one rule out of the program by replacing a few of its lines. Where the lines
are no longer there, the list is out of date, and `test_breakages.py` says so.
"""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Breakage:
    """A rule taken out: in `file`, `rule` becomes `broken`; each of `seen_by` has to fail.

    Each of `seen_by` is the arguments of one pytest, apart by spaces.
    """

    name: str
    promise: str
    file: str
    rule: str
    broken: str
    seen_by: tuple[str, ...]

    def applied_to(self, folder):
        """Break the copy of the program in `folder`."""
        path = folder / self.file
        path.write_text(self.of(path.read_text("utf-8")), "utf-8")

    def of(self, source):
        """The broken source; the rule has to stand in it, once."""
        count = source.count(self.rule)
        assert count == 1, f"{self.name}: the rule stands {count} times in {self.file}"
        return source.replace(self.rule, self.broken)


BREAKAGES = (
    Breakage(
        name="acknowledged-before-commit",
        promise="a message is acknowledged to the broker only once it is committed",
        file="collector/service.py",
        rule="""\
            taken = await loop.run_in_executor(self._worker, self._take, batch)
            # Committed. Not a line earlier: an acknowledged message is gone from the broker.
            self._link.acknowledge(batch.arrivals)
""",
        broken="""\
            self._link.acknowledge(batch.arrivals)
            taken = await loop.run_in_executor(self._worker, self._take, batch)
""",
        seen_by=("tests/collector/test_kill.py -k nobody",),
    ),
    Breakage(
        name="folder-without-fsync",
        promise="a file's name is on the disk before anything relies on it",
        file="anchor/keeping/log_folder.py",
        rule="            self.durable.sync_folder(folder)\n\n    def publish",
        broken="            pass\n\n    def publish",
        seen_by=("tests/anchor_writer/test_crashes.py",),
    ),
    Breakage(
        name="claims-without-unique-index",
        promise="a machine's number is stored once, whoever of several collectors is faster",
        file="collector/migrations/versions/0001_store.py",
        rule="""\
        "claims",
        _key("device", text),
        _key("session", text),
        _key("seq", big),
        _filled("collector", text),
        _filled("position", big),
""",
        broken="""\
        "claims",
        _key("device", text),
        _key("session", text),
        _key("seq", big),
        _key("collector", text),
        _key("position", big),
""",
        seen_by=("tests/collector/test_postgres.py",),
    ),
    Breakage(
        name="receipt-unchecked",
        promise="an outbox lets go only of what a receipt proves to be stored as it was sent",
        file="simulator/outbox.py",
        rule="        return len(known) == len(hashes) and bodies_digest(known) == leaf.bodies\n",
        broken="        return len(known) == len(hashes)\n",
        seen_by=("tests/simulator/test_outbox.py",),
    ),
    Breakage(
        name="receipt-signature-unchecked",
        promise="a receipt counts only with the signature of an enrolled collector",
        file="anchor/receipts.py",
        rule="        note.signed_by(key)\n        self._heads[data] = head\n",
        broken="        self._heads[data] = head\n",
        seen_by=("tests/anchor_formats/test_receipts.py",),
    ),
    Breakage(
        name="acknowledgement-of-another-connection",
        promise="an acknowledgement never goes out for a message of another connection",
        file="telemetry/unacknowledged.py",
        rule="            if number is not None and self._arrivals.get(number) is one:\n"
        "                one.marked = True\n",
        broken="            if number is not None and number in self._arrivals:\n"
        "                self._arrivals[number].marked = True\n",
        seen_by=("tests/link/test_mqtt_session.py",),
    ),
    Breakage(
        name="outbox-without-fsync",
        promise="nothing is published before it is durable",
        file="simulator/outbox_file.py",
        rule="""\
            self._flush(self._descriptor, self._path)
            self._durable = size
""",
        broken="""\
            self._durable = size
""",
        seen_by=("tests/simulator/test_outbox.py",),
    ),
    Breakage(
        name="published-before-durable",
        promise="nothing is published before it is durable",
        file="simulator/outbox.py",
        rule="        safe = len(self._fresh) - (self.recorded - self._durable)\n",
        broken="        safe = len(self._fresh)\n",
        seen_by=("tests/simulator/test_outbox.py",),
    ),
    Breakage(
        name="fsync-retried",
        promise="after a failed fsync nothing is written as if it had not failed",
        file="simulator/outbox_file.py",
        rule="""\
            self._broken = True
            raise OutboxUnwritable(
""",
        broken="""\
            raise OutboxUnwritable(
""",
        seen_by=("tests/simulator/test_outbox.py",),
    ),
    Breakage(
        name="outbox-rename-without-fsync",
        promise="a new outbox file has its name on the disk before anything goes into it",
        file="simulator/outbox_file.py",
        rule="                self._disk.sync_folder(self._path.parent)\n",
        broken="                pass\n",
        seen_by=("tests/steps/test_steps.py -k outbox",),
    ),
    Breakage(
        name="outbox-folder-without-name",
        promise="an outbox's folder is on the disk, too",
        file="simulator/disk.py",
        rule="        self._make_folders(path.parent)\n        descriptor",
        broken="        path.parent.mkdir(parents=True, exist_ok=True)\n        descriptor",
        seen_by=("tests/steps/test_steps.py -k outbox",),
    ),
    Breakage(
        name="store-without-fsync",
        promise="a commit that has returned is on the disk",
        file="collector/sqlite_store.py",
        rule='"synchronous=FULL"',
        broken='"synchronous=NORMAL"',
        seen_by=("tests/steps/test_steps.py -k collector",),
    ),
    Breakage(
        name="store-without-transaction",
        promise="a batch is in the store as a whole or not at all",
        file="collector/sqlite_store.py",
        rule="""\
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
""",
        broken="    del reading\n",
        seen_by=("tests/steps/test_steps.py -k collector",),
    ),
    Breakage(
        name="anchor-without-fsync",
        promise="entries and tiles are on the disk before a checkpoint names them",
        file="anchor/keeping/durable.py",
        rule="""\
            _sync(descriptor, path)
        finally:
            os.close(descriptor)

    def rename""",
        broken="""\
            pass
        finally:
            os.close(descriptor)

    def rename""",
        seen_by=("tests/steps/test_steps.py -k anchor",),
    ),
    Breakage(
        name="anchor-fsync-retried",
        promise="after a failed fsync the anchor ends, and tries nothing again",
        file="anchor/keeping/durable.py",
        rule="        raise disk_failed(path, error.strerror) from error\n",
        broken="        raise\n",
        seen_by=("tests/steps/test_steps.py -k anchor",),
    ),
    Breakage(
        name="witness-without-fsync",
        promise="a witness has on the disk what it cosigned before it says so",
        file="anchor/keeping/sqlite.py",
        rule='"PRAGMA synchronous=FULL"',
        broken='"PRAGMA synchronous=NORMAL"',
        seen_by=("tests/steps/test_steps.py -k witness",),
    ),
    Breakage(
        name="witness-that-forgets",
        promise="a witness never cosigns two histories of a log",
        file="anchor/keeping/witness.py",
        rule="        check_growth(request, checkpoint, last)\n",
        broken="",
        seen_by=("tests/anchor_writer/test_witness.py",),
    ),
    Breakage(
        name="signed-without-reading-back",
        promise="the log's key signs nothing but what the disk gives back",
        file="anchor/keeping/writer.py",
        rule="        self._tree.check(max(self._reread, shown), self.size, self._head.root)\n",
        broken="        self._tree.check(self.size, self.size, self._head.root)\n",
        seen_by=("tests/anchor_writer",),
    ),
    Breakage(
        name="json-as-deep-as-it-says",
        promise="no parser recurses as deep as what it is given says",
        file="telemetry/strict_json.py",
        rule="    _check_depth(text, max_depth)\n",
        broken="",
        seen_by=("tests/fuzz/test_targets.py -k strict-json",),
    ),
    Breakage(
        name="anybody-corrects",
        promise="a correction counts under the operator's key alone",
        file="anchor/correction.py",
        rule="        note.signed_by(self.operator)\n",
        broken="",
        seen_by=(
            "tests/anchor_formats/test_correction.py -k another_s_word",
            "tests/anchor_verify/test_corrections.py -k another_operator",
        ),
    ),
    Breakage(
        name="corrects-another-message",
        promise="a correction is of the message whose proof carries it",
        file="anchor/proving/corrections.py",
        rule="    if correction.subject != subject:\n",
        broken="    if correction.subject.collector != subject.collector:\n",
        seen_by=("tests/anchor_verify/test_corrections.py -k other_messages_are_refused",),
    ),
    Breakage(
        name="unpacked-without-end",
        promise="a log's answer takes no more memory than its file may have",
        file="anchor/reading/unpacking.py",
        rule="stream.decompress(part, self._limit + 1 - len(self._found))",
        broken="stream.decompress(part)",
        seen_by=("tests/fuzz/test_targets.py -k log-packed",),
    ),
    Breakage(
        name="aliases-of-aliases",
        promise="a scenario says no billion values in ten lines",
        file="simulator/scenario_file.py",
        rule="        check_bounds(text)\n",
        broken="",
        seen_by=("tests/fuzz/test_targets.py -k scenario",),
    ),
    Breakage(
        name="a-billion-digits",
        promise="a time of a recording is bounded before it is computed",
        file="telemetry/recorder_csv.py",
        rule="seconds.is_finite() and seconds.adjusted() < _DIGITS",
        broken="seconds.is_finite()",
        seen_by=("tests/fuzz/test_findings.py -k digits",),
    ),
    Breakage(
        name="two-spellings",
        promise="a line of a recording has one spelling",
        file="telemetry/recording_line.py",
        rule="""\
        if written != data:
            raise NotCanonical("the line is not in its canonical spelling")
""",
        broken="",
        seen_by=("tests/fuzz/test_targets.py -k recordings/line",),
    ),
)
