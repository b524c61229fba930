"""Large and many: ten million catalog rows, a million metric rows, fifty clients; time and memory."""

import asyncio
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from . import large

ROOT = Path(__file__).parents[2]
CLIENTS, SECONDS = 50, 8.0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_large_data_and_many_clients(tmp_path: Path) -> None:
    large.dataset(tmp_path / "data")
    large.run(tmp_path / "runs" / "long")
    arguments = ("--data", str(tmp_path / "data"), "--runs", str(tmp_path / "runs"), "--port", "0")
    command = [sys.executable, "-m", "deploy.dashboard", *arguments]
    environment = {key: value for key, value in os.environ.items() if key != "OMNIRL_DASHBOARD_TOKEN"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found
        base = found.group().rstrip("/")
        begin = time.monotonic()
        while httpx.get(f"{base}/readyz").status_code != 200:
            assert time.monotonic() - begin < 400
            time.sleep(0.5)
        read = time.monotonic() - begin
        overview = httpx.get(f"{base}/api/v1/overview").json()
        data, run = overview["datasets"][0], overview["runs"][0]
        assert (data["committed"], run["step"]) == (large.SHARDS, large.METRIC_ROWS)
        paths = ("overview", f"datasets/{data['id']}", f"runs/{run['id']}", f"runs/{run['id']}/metrics")
        addresses = [f"/api/v1/{path}" for path in paths]
        for name, pause in (("one a second each", 1.0), ("without a pause", 0.0)):
            taken = asyncio.run(_crowd(base.removeprefix("http://"), addresses, pause))
            p50, p95 = np.percentile(taken, [50, 95]) * 1000
            print(f"{len(taken)} answers to {CLIENTS} clients, {name}: median {p50:.1f} ms, p95 {p95:.1f} ms")
            assert p95 < (100 if pause else 500), name
        status = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
        assert status
        megabytes = int(status.group(1)) / 1000
        print(f"read in {read:.1f} s; memory at most {megabytes:.0f} MB")
        assert megabytes < 300
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def _crowd(host: str, paths: list[str], pause: float) -> list[float]:
    """Return what each answer took, of clients that keep their connection and pause between questions."""
    taken: list[float] = []
    end = time.monotonic() + SECONDS

    async def client(number: int) -> None:
        name, _, port = host.partition(":")
        reader, writer = await asyncio.open_connection(name, int(port))
        await asyncio.sleep(pause * number / CLIENTS)
        while time.monotonic() < end:
            begin = time.perf_counter()
            path = paths[len(taken) % len(paths)]
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            assert length
            await reader.readexactly(int(length.group(1)))
            taken.append(time.perf_counter() - begin)
            await asyncio.sleep(pause)
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    return taken
