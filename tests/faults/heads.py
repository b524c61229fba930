"""Heads and nodes of Ray as processes of their own, on free ports, which leave no process behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RAY = str(Path(sys.executable).with_name("ray"))
QUICK = {
    "RAY_health_check_initial_delay_ms": "0",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}
"""A dead node or cut link is noticed after some 4 s."""


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def processes_of(folder: str) -> list[int]:
    """Return the processes that have ``folder`` in their command line or environment, zombies aside."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if folder.encode() in text and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


class Head:
    """A head of its own; ``prefix`` goes before every command, for example to enter a network namespace.

    ``python`` is the interpreter of the head, its workers and its jobs; this one unless given.
    """

    def __init__(
        self, *, cores: int = 2, environment=None, prefix=(), address: str | None = None, python: str = sys.executable
    ) -> None:
        self.folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
        self.ports = free_ports(6)
        self.cores, self.prefix, self.ip = cores, tuple(prefix), address
        self.ray = (python, "-m", "ray.scripts.scripts")
        path = f"{Path(python).parent}:{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "OUR_HEAD": self.folder, **(environment or {})}
        self.options: list[str] = []
        """Further ones of ``ray start``."""
        self.process: subprocess.Popen | None = None

    @property
    def jobs(self) -> str:
        """URL of the job server."""
        return f"http://127.0.0.1:{self.ports[1]}"

    @property
    def metrics(self) -> int:
        """Port on which metrics are exported."""
        return self.ports[4]

    @property
    def address(self) -> str:
        """What a driver's ``--address`` takes."""
        return (Path(self.folder) / "address").read_text()

    def start(self) -> None:
        """Start it; again on the same ports where it was killed."""
        port, dashboard, client, agent, metrics, grpc = self.ports
        command = [
            *self.prefix, *self.ray, "start", "--head", "--block", f"--num-cpus={self.cores}",
            "--object-store-memory=100000000", f"--temp-dir={self.folder}", f"--port={port}",
            f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}",
            f"--dashboard-agent-listen-port={agent}", f"--metrics-export-port={metrics}",
            f"--dashboard-agent-grpc-port={grpc}", "--disable-usage-stats",
            *([f"--node-ip-address={self.ip}"] if self.ip else []), *self.options,
        ]  # fmt: skip
        log = Path(self.folder) / "head.log"
        with log.open("a") as file:
            begin = file.tell()
            self.process = subprocess.Popen(command, env=self.environment, stdout=file, stderr=subprocess.STDOUT)
        wait_until(lambda: "Ray runtime started" in log.read_text()[begin:], 120, "the head never started")
        ip = self.ip or re.sub(r"\x1b\[[0-9;]*m", "", log.read_text()[begin:]).split("Local node IP:")[1].split()[0]
        (Path(self.folder) / "address").write_text(f"{ip}:{port}")

    def answers(self) -> bool:
        """Say whether its job server does."""
        command = [*self.prefix, *self.ray, "job", "list", f"--address={self.jobs}"]
        return subprocess.run(command, env=self.environment, capture_output=True).returncode == 0

    def kill(self) -> None:
        """Kill all of it at once."""
        for number in processes_of(self.folder):
            kill(number)
        assert self.process is not None
        self.process.wait(30)

    def close(self) -> None:
        """End it, by force what does not end by itself."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        deadline = time.monotonic() + 15.0
        while processes_of(self.folder) and time.monotonic() < deadline:
            time.sleep(0.5)
        for left in processes_of(self.folder):
            kill(left)
        subprocess.run(["rm", "-rf", self.folder], check=False)


def kill(number: int) -> None:
    """Kill a process, if it is there."""
    try:
        os.kill(number, signal.SIGKILL)
    except ProcessLookupError:
        return


def gone(folder: str, seconds: float = 30.0) -> None:
    """Return when no process that has ``folder`` in its command line or environment is left."""
    deadline = time.monotonic() + seconds
    while left := processes_of(folder):
        lines = [Path(f"/proc/{number}/cmdline") for number in left]
        assert time.monotonic() < deadline, [line.read_bytes()[:200] for line in lines if line.exists()]
        time.sleep(0.25)


def wait_until(condition, seconds: float, what: str) -> None:
    """Return when ``condition()`` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.25)
