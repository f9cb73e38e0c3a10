"""The works under torture: every part a process of its own, started again when it ends.

Edge: processes, disks, clocks. What befalls them is decided elsewhere.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from faketime import WallClock, find_faketime
from keeping_broker import KeepingBroker
from library import armed, build_library
from local_postgres import LocalPostgres, find_postgres
from survival_line import Program
from torture_network import Network
from torture_plan import FLEETS

from anchor.policy import write_policy
from factoryledger.broker import LocalBroker, free_port
from factoryledger.data_dir import DataDir
from factoryledger.files import write_whole
from factoryledger.witness_choice import WitnessChoice
from telemetry.errors import BrokerUnavailable
from telemetry.topic import factory_filters

AGAIN = 0.5  # s: before a part that ended is started again
DISK = 4096  # MiB, of memory that is taken as it is used
DRAIN = 600  # s
KINDS = ("mill", "compressor", "furnace", "robot", "press")


def able():
    """What this machine can do of what needs more than Python and Mosquitto."""
    can = set()
    if find_postgres() is not None:
        can.add("postgresql")
    if find_faketime() is not None:
        can.add("clock")
    if os.geteuid() == 0 and shutil.which("mount"):
        can.add("disk-full")
    if sys.platform.startswith("linux") and (shutil.which("cc") or shutil.which("gcc")):
        can.add("io-error")
    return frozenset(can)


class Part:
    """One of the program's commands as a process, which can be frozen, killed and started."""

    def __init__(self, program, history):
        self.program, self.name = program, program.name
        self._history = history
        self.wanted = False
        self.left = False  # alone, where it ends: whoever struck it looks at how it does
        self.frozen = False
        self._due = 0.0
        self._before = 0
        self._reported = True

    @property
    def running(self):
        return self.program.running

    @property
    def pid(self):
        return self.program.pid

    @property
    def ready(self):
        """Whether it has said so since its last start."""
        return self.running and b": ready" in self.since_start()

    def since_start(self):
        """What it has said since its last start."""
        with self.program.log.open("rb") as said:
            said.seek(self._before)
            return said.read()

    def start(self):
        if self.running:
            return
        self.wanted, self._reported = True, False
        log = self.program.log
        self._before = log.stat().st_size if log.exists() else 0
        if seed := self.program.environment.get("STEPS_SEED"):
            # Else each start would die at the same step.
            self.program.environment["STEPS_SEED"] = str(int(seed) + 1)
        self.program.launch()
        self._history.put("started", part=self.name, pid=self.pid)

    def kill(self):
        """SIGKILL; nothing where it does not run."""
        if self.running:
            os.kill(self.pid, signal.SIGKILL)
            self.program.reap()
            self._end("killed")

    def stop(self):
        """SIGTERM; who waits for its end sees it by `running`."""
        self.wanted = False
        if self.running:
            os.kill(self.pid, signal.SIGTERM)

    def freeze(self):
        if self.running:
            os.kill(self.pid, signal.SIGSTOP)
            self.frozen = True

    def thaw(self):
        if self.frozen and self.running:
            os.kill(self.pid, signal.SIGCONT)
        self.frozen = False

    def tend(self, now):
        """Take notice of an end, and start it again after a moment where it is wanted."""
        if self.running:
            return
        if not self._reported:
            self._end("by itself" if self.wanted else "stopped")
            self._due = now + AGAIN
        elif self.wanted and not self.left and now >= self._due:
            self.start()

    def _end(self, how):
        self._reported = True
        self.frozen = False
        code, pid = self.program.code, self.pid
        self._history.put("ended", part=self.name, pid=pid, code=code, how=how, said=self._last())
        for left in (f"sem.faketime_sem_{pid}", f"faketime_shm_{pid}"):
            # What libfaketime leaves of a killed process would stop the next of its id.
            Path("/dev/shm", left).unlink(missing_ok=True)

    def _last(self):
        lines = self.since_start().decode("utf-8", "replace").splitlines()
        return lines[-1][:500] if lines else ""


class Broker:
    """Mosquitto, as a part."""

    def __init__(self, broker, history):
        self.broker, self.name, self._history = broker, "broker", history
        self.wanted = False
        self.frozen = False
        self._due = 0.0

    @property
    def running(self):
        return self.broker.running

    ready = running

    @property
    def pid(self):
        return self.broker.pid

    def start(self):
        """Start it; gives whether it came up."""
        self.wanted = True
        try:
            self.broker.start(30.0)
        except BrokerUnavailable as error:
            self._history.put("refused", part=self.name, said=f"{error}")
            return False
        self._history.put("started", part=self.name, pid=self.pid)
        return True

    def kill(self):
        if self.running:
            pid = self.pid
            self.broker.kill()
            self.frozen = False
            self._history.put("ended", part=self.name, pid=pid, code=-9, how="killed", said="")

    def stop(self):
        self.wanted = False
        self.broker.stop(30.0)

    def freeze(self):
        if self.running:
            os.kill(self.pid, signal.SIGSTOP)
            self.frozen = True

    def thaw(self):
        if self.frozen and self.running:
            os.kill(self.pid, signal.SIGCONT)
        self.frozen = False

    def tend(self, now):
        if self.wanted and not self.running and now >= self._due:
            self._due = now + AGAIN
            self.start()


class Database:
    """PostgreSQL, as a part."""

    name = "database"

    def __init__(self, server, history):
        self.server, self._history = server, history
        self.frozen = False
        self.wanted = True

    @property
    def running(self):
        return self.server.running

    ready = running

    @property
    def pid(self):
        return self.server.pid

    def start(self):
        if not self.running:
            self.server.start()
            self._history.put("started", part=self.name, pid=self.pid)

    def kill(self):
        if self.running:
            pid = self.pid
            self.server.kill()
            self.frozen = False
            self._history.put("ended", part=self.name, pid=pid, code=-9, how="killed", said="")

    def freeze(self):
        self.server.pause()
        self.frozen = True

    def thaw(self):
        if self.frozen and self.running:
            self.server.resume()
        self.frozen = False

    def stop(self):
        """Leave it running: what it holds is read at the end."""

    def tend(self, _):
        if not self.running:
            self.start()


class Disk:
    """A small disk that can be full; without root a plain folder that never is."""

    def __init__(self, folder, mounted):
        self.folder = folder
        folder.mkdir()
        self.mounted = mounted and self._mount(f"size={DISK}m,mode=755", remount=False)

    def fill(self):
        """Leave it a few pages more than it has in use."""
        used = shutil.disk_usage(self.folder).used
        self._mount(f"remount,size={used // 1024 + 8}k")

    def free(self):
        if self.mounted:
            self._mount(f"remount,size={DISK}m")

    def close(self, keep=None):
        """Unmount it; `keep` is where what is on it is copied to before."""
        if self.mounted:
            if keep is not None:
                shutil.copytree(self.folder, keep, dirs_exist_ok=True)
            subprocess.run(["umount", "-l", str(self.folder)], check=False)

    def _mount(self, options, *, remount=True):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0


class Works:
    """All parts, ways and disks of a plan, in a folder."""

    def __init__(self, plan, folder, history):
        self.plan, self.folder, self.history = plan, folder, history
        self.data = folder / "data" / "d"
        self.parts = {}
        self.clocks = {}
        self.states = threading.Lock()  # held by whoever reads or replaces a witness's state
        self.struck = set()  # whose state is not as it was, which nobody is shown
        self.shaky = None  # the library that fails reads and writes, once it is built
        self.database_url = None
        self.server = None
        self._stack = ExitStack()

    def __enter__(self):
        with ExitStack() as stack:
            self._open(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _open(self, stack):
        plan = self.plan
        if plan.shaky:
            self.shaky = build_library(self.folder)
        self.network = stack.enter_context(Network())
        mounted = "disk-full" in able()
        self.disks = {name: Disk(self.folder / name, mounted) for name in ("data", "outbox")}
        self.kept = None  # where what is on the disks goes at the end
        stack.callback(lambda: [disk.close(self._place(disk)) for disk in self.disks.values()])
        make = KeepingBroker if plan.keeping else LocalBroker
        self.broker = make(0, self.folder / "broker", embedded=False)
        stack.callback(self.broker.kill)
        self.broker.start(30.0)
        self.parts["broker"] = Broker(self.broker, self.history)
        if plan.database == "postgresql":
            self.server = stack.enter_context(LocalPostgres())
            self.database_url = self.server.database()
            self.parts["database"] = Database(self.server, self.history)
        self._lay_ways()
        self._make_ledger()
        for name in plan.parts():
            if name not in self.parts:
                program = Program(self.folder, name, self._arguments(name), self._environment(name))
                stack.callback(program.end)
                self.parts[name] = Part(program, self.history)

    def start(self):
        """Start every part."""
        self.parts["broker"].wanted = True
        for part in self.parts.values():
            if part.name not in {"broker", "database"}:
                part.start()

    def tend(self):
        """Start again what ended."""
        now = time.monotonic()
        for part in self.parts.values():
            part.tend(now)

    def logs(self):
        """What the parts said, by their names."""
        return {
            name: part.program.log
            for name, part in self.parts.items()
            if isinstance(part, Part) and part.program.log.exists()
        }

    def outboxes(self):
        return [self.folder / "outbox" / fleet for fleet in FLEETS]

    def witness_state(self, name):
        return self.folder / "data" / f"{name}.db"

    def last_words(self, fleet):
        """The last line of results of a fleet, which is its tally."""
        found = self.parts[fleet].program.results()
        return found[-1] if found else None

    def audit_arguments(self):
        return ["audit", "--data", self.data, "--processes", 0, "--json"]

    def reading(self):
        """The settings of who only reads."""
        return {} if self.server is None else {"FACTORYLEDGER_DATABASE": self.database_url}

    def _place(self, disk):
        return None if self.kept is None else self.kept / disk.folder.name

    def _lay_ways(self):
        upstream = {"broker": self.broker.port}
        if self.server is not None:
            upstream["database"] = self.server.port
        for n in range(1, self.plan.witnesses + 1):
            upstream[f"witness-{n}"] = free_port()
        self._ports = upstream
        for way in self.plan.ways():
            self.network.lay(way, upstream[way.partition(">")[2]])

    def _make_ledger(self):
        """Keys and policy; the quorum is the plan's."""
        data = DataDir(self.data)
        names = [f"witness-{n}" for n in range(1, self.plan.witnesses + 1)]
        ports = [self.network[f"anchor>{name}"].port for name in names]
        data.create(
            witnesses=[
                WitnessChoice(name, f"http://127.0.0.1:{port}")
                for name, port in zip(names, ports, strict=True)
            ]
        )
        policy = data.policy()
        quorum = names[0] if len(names) == 1 else self.plan.quorum
        known = policy.witnesses.values()
        write_whole(data.policy_file, write_policy(policy.log, policy.operator, known, quorum))
        for number, fleet in enumerate(FLEETS):
            machines = "".join(
                f"  - {{kind: {KINDS[n % len(KINDS)]}, name: {fleet}-{n}, area: hall, "
                f"line: {fleet}}}\n"
                for n in range(self.plan.machines)
            )
            scenario = self.folder / f"{fleet}.yaml"
            scenario.write_text(f"seed: {self.plan.seed % 1000 + number}\nmachines:\n{machines}")

    def _arguments(self, name):
        data = ["--data", self.data]
        kind = name.partition("-")[0]
        if kind == "witness":
            state = self.witness_state(name)
            port = self._ports[name]
            limits = ["--limit-log", 0, "--limit-address", 0]
            return ["witness", *data, "--name", name, "--port", port, "--state", state, *limits]
        at = [*data, "--broker", f"mqtt://127.0.0.1:{self.network[f'{name}>broker'].port}"]
        if kind == "collect":
            return ["collect", *at, *self._collector(name)]
        if kind == "anchor":
            return ["anchor", *at, "--every", 0.5]
        scenario, outbox = self.folder / f"{name}.yaml", self.folder / "outbox" / name
        return ["simulate", *at, "--scenario", scenario, "--outbox", outbox, "--json"]

    def _collector(self, name):
        filters = [*factory_filters(), "foreign/#"]
        more = ["--processes", 0, *(word for one in filters for word in ("--topic", one))]
        if self.plan.collectors > 1:
            more += ["--name", name, "--share", "floor"]
        return more

    def _environment(self, name):
        plan = self.plan
        given = {"interval": plan.interval, "resend_after": 2.0, "drain": DRAIN}
        if self.server is not None and name.startswith(("collect", "anchor")):
            port = self.network[f"{name}>database"].port
            given["database"] = self.database_url.replace(f":{self.server.port}/", f":{port}/")
        environment = {f"FACTORYLEDGER_{k.upper()}": str(v) for k, v in given.items()}
        if name in plan.clocks and find_faketime() is not None:
            clock = WallClock(find_faketime(), self.folder / f"{name}.offset")
            self.clocks[name] = clock
            environment |= clock.environment
        return environment

    def shake(self, name, fault, chance, seed):
        """Let a part's next starts be on disks that fail by chance; a `chance` of 0 ends it."""
        program = self.parts[name].program
        program.environment = environment = dict(self._environment(name))
        if chance and self.shaky is not None:
            folders = [(self.folder / disk).resolve() for disk in self.disks]
            environment |= armed(folders, fault=fault, chance=chance, seed=seed)
            others = environment.get("LD_PRELOAD")
            environment["LD_PRELOAD"] = f"{self.shaky}:{others}" if others else str(self.shaky)

    def settle_clocks(self):
        for clock in self.clocks.values():
            with suppress(OSError):
                clock.put(0)
