"""A real head and a submitted job, as on a cluster: the data are those of the inline run."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from datagen.verify import verify
from tests.conftest import CHECKOUT, SMALL, datagen_command

RAY = str(Path(sys.executable).with_name("ray"))


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def processes_of(folder):
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


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.25)


@pytest.fixture(scope="module")
def head():
    """A head of two cores on free ports, which leaves no process behind; yields (job server's URL, environment)."""
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        port, dashboard, client, agent, metrics, grpc = free_ports(6)
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "OUR_HEAD": folder}
        command = [
            RAY, "start", "--head", "--block", "--num-cpus=2", "--object-store-memory=100000000",
            f"--temp-dir={folder}", f"--port={port}", f"--dashboard-port={dashboard}",
            f"--ray-client-server-port={client}", f"--dashboard-agent-listen-port={agent}",
            f"--metrics-export-port={metrics}", f"--dashboard-agent-grpc-port={grpc}", "--disable-usage-stats",
        ]  # fmt: skip
        with open(Path(folder) / "head.log", "w") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            url = f"http://127.0.0.1:{dashboard}"
            list_jobs = [RAY, "job", "list", f"--address={url}"]
            wait_until(
                lambda: subprocess.run(list_jobs, env=environment, capture_output=True).returncode == 0,
                120,
                "the head's job server never answered",
            )
            yield url, environment
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            deadline = time.monotonic() + 20.0
            while processes_of(folder) and time.monotonic() < deadline:
                time.sleep(0.5)
            for left in processes_of(folder):
                os.kill(left, signal.SIGKILL)


def submit(head, out, overrides, *options):
    url, environment = head
    entrypoint = datagen_command("run", "--recipe", "tiny", "--out", str(out), overrides=overrides)
    command = [
        RAY,
        "job",
        "submit",
        f"--address={url}",
        "--working-dir",
        ".",
        *options,
        "--",
        "python",
        *entrypoint[1:],
    ]
    return subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=240)


def test_a_submitted_job_gives_the_inline_digest(tmp_path, head, tiny_digest):
    done = submit(head, tmp_path / "d", SMALL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 of 12 shards committed" in done.stdout and "steps/s" in done.stdout
    assert "\r" not in done.stdout
    report = verify(str(tmp_path / "d"))
    assert report.ok and report.digest == tiny_digest
    again = submit(head, tmp_path / "d", SMALL)
    assert again.returncode == 0 and "12 of 12 shards are committed already" in again.stdout


def test_a_refused_request_fails_the_job_with_the_reason(head):
    done = submit(head, "relative/folder", SMALL)
    assert done.returncode != 0 and "absolute path, got 'relative/folder'" in done.stdout + done.stderr
