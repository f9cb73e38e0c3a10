"""A network of one's own: a namespace for each host, on one bridge, and no way out of it.

Edge. All of it belongs to processes of ours and goes with them; nothing outside is touched. A
user namespace is enough; where a system forbids those too, `why_not` says so.
"""

import subprocess
from contextlib import ExitStack

from survival_line import until

from factoryledger.broker_config import broker_config

NET = "10.77.0."
PROBE = "ip link add br0 type bridge && ip link add v1 type veth peer name eth0"
NOWHERE = "02:00:00:00:00:ff"  # a hardware address that nobody has


def why_not():
    """Why no network can be made here; None where one can."""
    try:
        tried = subprocess.run(
            ["unshare", "-rn", "sh", "-c", PROBE],
            check=False, capture_output=True, text=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no network namespaces: {error}"
    return f"no network namespaces: {tried.stderr.strip()}" if tried.returncode else None


class Host:
    """One namespace: `name`, its address, and what is said before a command that runs in it."""

    def __init__(self, net, name, number):
        self.name, self.net, self.number = name, net, number
        self.address = f"{NET}{number}"
        self._holder = net.hold([*net.inside, "unshare", "-n"])
        self.inside = entering(self._holder)
        net.run("ip", "link", "add", self.port, "type", "veth", "peer", "name", "eth0", "netns",
                self._holder.pid)  # fmt: skip
        net.run("ip", "link", "set", self.port, "master", "br0", "up")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")

    @property
    def port(self):
        """Its end of the cable at the bridge."""
        return f"v{self.number}"

    def run(self, *command):
        """Run a command in it."""
        run([*self.inside, *command])

    def down(self):
        """Pull its cable: nothing passes either way, and nobody is told."""
        self.net.run("ip", "link", "set", self.port, "down")

    def up(self):
        """Plug it in again."""
        self.net.run("ip", "link", "set", self.port, "up")

    def deaf_to(self, other):
        """Let what another host sends to this one go nowhere; the other way it passes."""
        other.run("ip", "neigh", "replace", self.address, "lladdr", NOWHERE, "dev", "eth0",
                  "nud", "permanent")  # fmt: skip

    def hears(self, other):
        """End that."""
        other.run("ip", "neigh", "del", self.address, "dev", "eth0")

    def move(self, number):
        """Take another address, under connections that stand."""
        self.run("ip", "address", "flush", "dev", "eth0")
        self.address = f"{NET}{number}"
        self.run("ip", "address", "add", f"{self.address}/24", "dev", "eth0")


class Net:
    """The bridge and its hosts, gone at the end."""

    def __init__(self):
        self._stack = ExitStack()

    def __enter__(self):
        holder = self.hold(["unshare", "-rn"])
        self.inside = entering(holder)
        self.run("ip", "link", "add", "br0", "type", "bridge")
        self.run("ip", "link", "set", "br0", "up")
        return self

    def __exit__(self, *_):
        self._stack.close()

    def host(self, name, number):
        """Add a host of this number in the net."""
        return Host(self, name, number)

    def run(self, *command):
        """Run a command where the bridge is."""
        run([*self.inside, *command])

    def hold(self, command):
        """A process that only holds its namespace; it is there once it has said so."""
        holder = subprocess.Popen(
            [*command, "sh", "-c", "echo held; exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._stack.callback(_end, holder)
        assert holder.stdout.readline() == b"held\n"
        return holder


class HostBroker:
    """Mosquitto on a host, as `LocalBroker` runs it on loopback; it keeps nothing."""

    def __init__(self, host, program, directory, settings):
        self._host, self.address = host, f"mqtt://{host.address}:1883"
        self.log = directory / "broker.log"
        self._command = [*host.inside, program, "-c", directory / "mosquitto.conf", "-v"]
        directory.mkdir()
        (directory / "mosquitto.conf").write_text(
            f"{broker_config('loopback.conf').read_text()}\n{settings}\n"
            # Root of its namespace alone, and nobody else is there to become.
            f"user root\nlistener 1883 {host.address}\nallow_anonymous true\n"
        )
        self._process = None

    def start(self):
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(word) for word in self._command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        until(self._answers, "the broker runs")

    def _answers(self):
        assert self._process.poll() is None, self.log.read_text()
        tried = [*self._host.inside, "bash", "-c", f"true < /dev/tcp/{self._host.address}/1883"]
        return subprocess.run(tried, check=False, stderr=subprocess.DEVNULL).returncode == 0

    def kill(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def entering(holder):
    """What to put before a command to run it in a holder's namespace, as the same process."""
    return ["nsenter", "-t", str(holder.pid), "-U", "--preserve-credentials", "-n"]


def run(command):
    """Run a command to its end; it must do what it says."""
    words = [str(word) for word in command]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"


def _end(holder):
    holder.kill()
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()
