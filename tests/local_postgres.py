"""A PostgreSQL of the tests' own: a fresh cluster, on a free port of 127.0.0.1.

Everything is bounded in time. The server refuses to run as root, so root starts it as the
user `postgres` that its package makes; its folder is not in pytest's, which only root enters.
It is in memory where there is room: a server syncs hundreds of files for each database, and
what is tested outlives processes, not power cuts.
"""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from factoryledger.broker import free_port

_SECONDS = 60
_MEMORY = Path("/dev/shm")
_ROOM = 4 * 2**30  # bytes


def find_postgres():
    """Give the folder of PostgreSQL's server programs, the newest first; None without one."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0,
    )
    on_path = shutil.which("initdb")
    if not found and on_path:
        found = [Path(on_path).resolve()]
    return found[-1].parent if found else None


class LocalPostgres:
    """One cluster, in a folder that goes with it; `url` names a database on it.

    `disk` is a folder that everyone may enter, in which the cluster's folder then is.
    """

    def __init__(self, *, disk=None, **settings):
        self._scratch = tempfile.TemporaryDirectory(
            prefix="factoryledger-postgres-", dir=disk or _memory()
        )
        self.folder = Path(self._scratch.name)
        self.data = self.folder / "cluster"
        self.port = 0
        self.password = secrets.token_hex(8)
        self._programs = find_postgres()
        self._settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "shared_buffers": "64MB",
            "max_connections": "40",
            "logging_collector": "off",
            **settings,
        }
        self._user = _server_user()
        self._process = None
        self._count = 0

    def __enter__(self):
        if self._user is not None:
            shutil.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        secret = self.folder / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)
        self._run("initdb", "-D", self.data, "-U", "ledger", "--pwfile", secret, *_INITDB)
        secret.unlink()
        self.start()
        return self

    def __exit__(self, *_):
        try:
            if self.running:
                self.resume()
                self.stop()
        finally:
            self._scratch.cleanup()

    @property
    def log(self):
        """What the server said."""
        return self.folder / "server.log"

    @property
    def running(self):
        """Whether the server is there; it ends by itself where it cannot write its log."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self):
        """The server's own process."""
        return self._process.pid

    def start(self):
        """Start it, on the port that it had before, and wait until it answers."""
        self.port = self.port or free_port()
        settings = {**self._settings, "port": self.port}
        options = [f"--{name}={value}" for name, value in settings.items()]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.data, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **self._as_server(),
            )
        end = time.monotonic() + _SECONDS
        while True:
            try:
                psycopg.connect(self.conninfo("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise AssertionError(f"no PostgreSQL: {self.log.read_text()}") from None
                time.sleep(0.02)
            else:
                return

    def stop(self, how=signal.SIGINT):
        """End it: SIGINT cuts every connection, SIGQUIT is its crash, with recovery at start."""
        self._process.send_signal(how)
        try:
            self._process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            for pid in self._pids():
                os.kill(pid, signal.SIGKILL)
            self._process.wait(_SECONDS)
            raise

    def kill(self):
        """SIGKILL every process of it, as a power cut would."""
        for pid in self._pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(_SECONDS)

    def pause(self):
        """Stop every process of it, as a machine that hangs."""
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    def resume(self):
        """Let them go on."""
        for pid in self._pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def conninfo(self, database):
        """Give libpq's words for a database."""
        return (
            f"host=127.0.0.1 port={self.port} user=ledger password={self.password} "
            f"dbname={database}"
        )

    def url(self, database, *, password=True):
        """Give the URL of a database."""
        secret = f":{self.password}" if password else ""
        return f"postgresql://ledger{secret}@127.0.0.1:{self.port}/{database}"

    def database(self, *, disk=None, template="template1", **how):
        """Make a database, empty or like another, and give its URL.

        On a `disk` its tables are, and the server's own files where they always are.
        """
        self._count += 1
        name = f"works_{self._count}"
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            if disk is None:
                where = ""
            else:
                where = f"TABLESPACE space_{self._count}"
                connection.execute(f"CREATE {where} LOCATION '{self._own(disk / name)}'")
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} {where}")
        return self.url(name, **how)

    def drop(self, url):
        """Remove a database that nobody uses any more."""
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def _own(self, folder):
        folder.mkdir()
        if self._user is not None:
            shutil.chown(folder, self._user.pw_uid, self._user.pw_gid)
        return folder

    def _pids(self):
        """The server and its children."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        return [pid, *(map(int, children.read_text().split()) if children.exists() else ())]

    def _run(self, program, *arguments):
        done = subprocess.run(
            [self._programs / program, *arguments],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            cwd=self.folder,
            **self._as_server(),
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _as_server(self):
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}


# The order of a language, not of bytes: nothing of ours may rely on the database's own.
_INITDB = (
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--locale-provider=icu",
    "--icu-locale=en-US",
    "--no-instructions",
)


def _memory():
    """The folder in memory, where everyone may write and there is room; else None."""
    if not os.access(_MEMORY, os.W_OK) or shutil.disk_usage(_MEMORY).free < _ROOM:
        return None
    return _MEMORY


def _server_user():
    return pwd.getpwnam("postgres") if os.geteuid() == 0 else None
