"""The compose stack as a user starts it, under a project name and ports of the test's own."""

import json
import os
import shlex
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = "factoryledger-test"
IMAGE = "factoryledger"
ELSEWHERE = f"{PROJECT}-elsewhere"  # a network of the tests' own, not of the stack's
PATIENCE = 90.0  # s: the machine may be busy
STORE = {
    "FACTORYLEDGER_DATABASE": "postgresql://reader@postgres/factoryledger",
    "FACTORYLEDGER_DATABASE_PASSWORD_FILE": "/secrets/reader/password",
}
SENT_TWICE = """
    SELECT count(*) FROM (SELECT device, session, seq FROM messages WHERE status = 'accepted'
    GROUP BY 1, 2, 3 HAVING count(*) > 1) AS twice
"""


def run(*arguments, check=True, **options):
    """Run a program; gives what it said, with both outputs in the failure."""
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, **options)
    assert not check or done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done


def docker(*arguments, **options):
    return run("docker", *arguments, **options)


def megabytes(image):
    return int(docker("image", "inspect", image, "--format", "{{.Size}}").stdout) / 1e6


def until(there, what, patience=PATIENCE):
    """Wait until a condition holds; gives what it gave."""
    end = time.monotonic() + patience
    while not (found := there()):
        assert time.monotonic() < end, f"{what}: not within {patience:.0f} s\n{lately()}"
        time.sleep(0.5)
    return found


def lately():
    """What each container said last, for who reads why a test failed."""
    of = f"label=com.docker.compose.project={PROJECT}"
    told = ""
    for name in docker("ps", "-a", "--filter", of, "--format", "{{.Names}}").stdout.split():
        tail = docker("logs", "--tail", "8", name, check=False)
        told += f"-- {name}\n{tail.stdout}{tail.stderr}\n"
    return told


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Stack:
    """One project; everything is asked of the engine, nothing is remembered but ports."""

    def __init__(self):
        self.web, self.mqtts, self.prometheus = free_port(), free_port(), free_port()
        self.environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": PROJECT,
            "FACTORYLEDGER_WEB_PORT": str(self.web),
            "FACTORYLEDGER_MQTTS_PORT": str(self.mqtts),
            "PROMETHEUS_PORT": str(self.prometheus),
        }
        self._compose = shlex.split(os.environ.get("COMPOSE", "docker compose"))

    def compose(self, *arguments, check=True):
        return run(*self._compose, *arguments, check=check, cwd=ROOT, env=self.environment)

    def all_down(self, *how):
        """As a user who has used profiles takes all of it down, volumes too."""
        self.compose("--profile", "*", "down", "--volumes", "--timeout", "5", *how)
        docker("network", "rm", ELSEWHERE, check=False)

    # -- what is there -----------------------------------------------------------------

    def containers(self, service=None):
        """Running containers' names, of one service or of all that go on running."""
        of = [f"label=com.docker.compose.project={PROJECT}"]
        if service is not None:
            of.append(f"label=com.docker.compose.service={service}")
        filters = [word for one in of for word in ("--filter", one)]
        return sorted(docker("ps", *filters, "--format", "{{.Names}}").stdout.split())

    def left(self):
        """Everything of this project that the engine knows of."""
        of = ("--filter", f"label=com.docker.compose.project={PROJECT}", "--format")
        return {
            "containers": docker("ps", "-a", *of, "{{.Names}}").stdout.split(),
            "volumes": docker("volume", "ls", *of, "{{.Name}}").stdout.split(),
            "networks": docker("network", "ls", *of, "{{.Name}}").stdout.split(),
        }

    @staticmethod
    def all_volumes():
        """Every volume of the engine, also those without a name."""
        return set(docker("volume", "ls", "--quiet").stdout.split())

    @staticmethod
    def inspect(container):
        return json.loads(docker("inspect", container).stdout)[0]

    def healthy(self, container):
        state = self.inspect(container)["State"]
        return state["Running"] and state.get("Health", {}).get("Status") == "healthy"

    def all_healthy(self):
        until(lambda: all(map(self.healthy, self.containers())), "all are healthy", 150)

    def assert_confined(self, container):
        """No root, no rights, nothing of its own to change, and bounds on what it takes."""
        host = self.inspect(container)["HostConfig"]
        assert host["ReadonlyRootfs"], container
        assert host["CapDrop"] == ["ALL"], container
        assert not host["Privileged"], container
        assert "no-new-privileges:true" in host["SecurityOpt"], container
        assert host["Memory"] > 0, container
        assert host["PidsLimit"] > 0, container
        assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}, container
        status = dict(
            line.split(":", 1)
            for line in self.inside(container, "cat", "/proc/1/status").stdout.splitlines()
        )
        assert "0" not in status["Uid"].split(), container
        assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0, container
        assert status["NoNewPrivs"].strip() == "1", container
        assert self.inside(container, "touch", "/etc/mine", check=False).returncode != 0, container

    def inside(self, container, *command, check=True):
        return docker("exec", container, *command, check=check)

    # -- what came through -------------------------------------------------------------

    def sql(self, text):
        (database,) = self.containers("postgres")
        ask = ("psql", "-U", "postgres", "-d", "factoryledger", "-At", "-c", text)
        return self.inside(database, *ask, check=False).stdout.strip()

    def accepted(self):
        return int(self.sql("SELECT count(*) FROM messages WHERE status = 'accepted'") or 0)

    def flows(self, more=60):
        """Wait until so many more messages are stored."""
        before = until(self.accepted, "something is stored")
        until(lambda: self.accepted() >= before + more, f"{more} more messages are stored")

    def outside(self, *command, mounts=(), network="store", entrypoint=None, check=True, said=None):
        """Run a command of the image in a container that is none of the stack's."""
        volumes = [
            f"{PROJECT}_public:/data:ro",
            f"{PROJECT}_log:/data/log:ro",
            f"{PROJECT}_requests:/data/requests:ro",
            f"{PROJECT}_store-reader:/secrets/reader:ro",
            *mounts,
        ]
        return docker(
            "run", "--rm", "-i", "--read-only", "--cap-drop", "ALL", "--tmpfs", "/tmp",
            "--network", f"{PROJECT}_{network}",
            *(word for volume in volumes for word in ("--volume", volume)),
            *(word for name, value in STORE.items() for word in ("--env", f"{name}={value}")),
            *(("--entrypoint", entrypoint) if entrypoint else ()),
            IMAGE, *command, check=check, input=said,
        )  # fmt: skip

    def audit(self):
        done = self.outside("audit", "--json", check=False)
        assert done.returncode in {0, 1}, done.stderr
        return json.loads(done.stdout)

    def stats(self):
        return json.loads(self.outside("stats", "--json").stdout)

    def ask(self, path, **options):
        """The web page's answer: status, body, headers."""
        url = f"http://127.0.0.1:{self.web}{path}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, **options), timeout=10) as got:
                return got.status, got.read(), got.headers
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read(), refused.headers

    def all_anchored(self):
        found = self.audit()
        return found["anchored_messages"] == found["messages"]

    # -- what befalls it ---------------------------------------------------------------

    def kill(self, container):
        """SIGKILL from the host, so that the engine sees a crash; else by the engine."""
        state = self.inspect(container)["State"]
        pid, identity = state["Pid"], self.inspect(container)["Id"]
        try:
            ours = identity in Path(f"/proc/{pid}/cgroup").read_text()
            if ours:
                os.kill(pid, signal.SIGKILL)
        except OSError:
            ours = False
        if not ours:
            # The engine is elsewhere, or we are not root: then it takes this for a stop.
            docker("kill", container)
            docker("start", container)

    def comes_back(self, container):
        """Kill it, and wait until it is up again and healthy."""
        began = self.inspect(container)["State"]["StartedAt"]
        self.kill(container)
        until(
            lambda: (
                self.inspect(container)["State"]["StartedAt"] != began and self.healthy(container)
            ),
            f"{container} is back",
        )
