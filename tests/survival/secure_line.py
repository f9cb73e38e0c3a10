"""A line over mutual TLS: the shipped broker, as `broker-config/run` runs it, and its clients."""

import io
from contextlib import redirect_stderr, redirect_stdout

from shipped_broker import COUNTS, Shipped
from survival_line import Line, until

from factoryledger.broker_files import BrokerFiles
from factoryledger.cli import run
from factoryledger.data_dir import DataDir


class SecureLine(Line):
    """Each program is at the broker who its role says, by a certificate."""

    def __init__(self, folder, **settings):
        data = folder / "d"
        DataDir(data).create()
        self.files = BrokerFiles(data / "broker")
        self.files.prepare("example.org/test", ["127.0.0.1"], COUNTS)
        broker = Shipped(folder / "run", self.files.server, watched=True)
        super().__init__(folder, broker=broker, shut_out_retry=0.3, **settings)

    def __enter__(self):
        super().__enter__()
        self.address = str(self.broker.secure)
        return self

    def __exit__(self, *error):
        for program in self._programs:
            program.end()
        self.broker.stop()  # killed, the script would leave its broker behind
        super().__exit__(*error)

    def program(self, name, *arguments):
        role = {"simulate": "simulator", "collect": "collector"}.get(name, name)
        before = self._environment
        self.under({"FACTORYLEDGER_BROKER_IDENTITY": role})
        try:
            # A log of its own: what an earlier one said is not asked for.
            return super().program(f"{name}-{len(self._programs)}", *arguments)
        finally:
            self._environment = before

    def good(self, *arguments):
        """Run a command in this process, which is quicker; it has to succeed."""
        said, told = io.StringIO(), io.StringIO()
        with redirect_stdout(said), redirect_stderr(told):
            code = run([str(word) for word in (*arguments, "--data", self.data)])
        assert code == 0, said.getvalue() + told.getvalue()
        return said.getvalue()

    def counts(self, status="accepted"):
        """Messages of a status by machine."""
        query = "select device, count(*) from messages where status = '{}' group by device"
        return dict(self.query(query.format(status)))

    def more_of(self, *devices, status="accepted", count=3):
        """Wait until each has so many messages more."""
        before = self.counts(status)

        def grown():
            now = self.counts(status)
            return all(now.get(one, 0) >= before.get(one, 0) + count for one in devices)

        until(grown, f"{status} messages of {devices}", 30)

    def said_once(self, program, *words):
        """Wait for an event in a program's log; how often it is there, of a JSON line each."""
        until(lambda: all(word in program.said() for word in words), f"{words} is said", 30)
        return [line for line in program.said().splitlines() if words[0] in line]


def last(program):
    """What a program counted in the end."""
    return program.results()[-1]
