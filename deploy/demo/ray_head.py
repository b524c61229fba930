"""A private Ray head for the length of a ``with`` block: free ports, a token, a folder of its own; gone at the end."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from common.errors import DataError
from deploy.demo.processes import descendants, end_group, kill_survivors

START_SECONDS = 120.0
STOP_SECONDS = 20.0
OBJECT_STORE_BYTES = 100 * 1024 * 1024
"""Receipts are all that ever lies in it; Ray's default is a third of the memory."""
HOST = "127.0.0.1"
_PORT_OPTIONS = (
    "--port",
    "--dashboard-port",
    "--ray-client-server-port",
    "--dashboard-agent-listen-port",
    "--dashboard-agent-grpc-port",
    "--runtime-env-agent-port",
    "--metrics-export-port",
)


def environment(base: Mapping[str, str], binaries: Path) -> dict[str, str]:
    """Return the environment of Ray and of whoever talks to it.

    Ray listens on every interface, whatever address it is given, and runs what it is sent: a random token, known to
    this environment alone, keeps it private. RAY_AUTH_MODE is said outright, for unset it may change the user account.
    """
    kept = {name: value for name, value in base.items() if not name.startswith("RAY_")}
    return kept | {
        "PATH": f"{binaries}{os.pathsep}{kept.get('PATH', os.defpath)}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DEDUP_LOGS": "0",
        "RAY_COLOR_PREFIX": "0",
        "PYTHONUNBUFFERED": "1",
    }


@contextlib.contextmanager
def ray_head(values: Mapping[str, str], log: Path) -> Iterator[str]:
    """Start a Ray head and yield the address jobs are submitted to.

    Raises:
        DataError: It does not start within two minutes; the message names its log.
    """
    folder = Path(tempfile.mkdtemp(prefix="omnirl-ray-"))  # short: Ray puts sockets below, whose paths are limited
    ports = dict(zip(_PORT_OPTIONS, free_ports(len(_PORT_OPTIONS)), strict=True))
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as output:
        process = subprocess.Popen(
            _command(folder, ports),
            env=dict(values),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_until_up(process, ports["--dashboard-port"], log)
        yield f"http://{HOST}:{ports['--dashboard-port']}"
    finally:
        _stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Return ports nobody listens on now, all different."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in sockets]


def _command(folder: Path, ports: Mapping[str, int]) -> list[str]:
    options = {
        "--dashboard-host": HOST,
        "--include-dashboard": "true",
        "--temp-dir": str(folder),
        "--num-cpus": str(os.cpu_count() or 1),
        "--object-store-memory": str(OBJECT_STORE_BYTES),
        "--min-worker-port": "0",
        "--max-worker-port": "0",
        **{option: str(port) for option, port in ports.items()},
    }
    flat = [word for option, value in options.items() for word in (option, value)]
    return ["ray", "start", "--head", "--block", "--disable-usage-stats", *flat]


def _wait_until_up(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    limit = time.monotonic() + START_SECONDS
    while time.monotonic() < limit:
        if process.poll() is not None:
            raise DataError(f"Ray ended at its start with exit code {process.returncode}; its output is in {log}")
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.3)
    raise DataError(f"Ray did not come up within {START_SECONDS:.0f} s; its output is in {log}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End Ray and whatever it started: some of its processes outlive their head by seconds, or for good."""
    family = descendants(process.pid)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    kill_survivors(family, STOP_SECONDS / 4)
    end_group(process, patience=1.0)
