"""Large and many: 10,000 shards of 1,000 rows, a million metric rows, fifty clients; time and memory."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from common.dataset import catalog

from . import examples

ROOT = Path(__file__).parents[2]
SHARDS, ROWS, CLIENTS, SECONDS = 10_000, 1_000_000, 50, 8.0


def large(folder: Path) -> None:
    """Lay out catalog files whose sums say 1,000 rows each, and a long metrics.jsonl."""
    examples.create_dataset(str(folder / "data"), examples.header(SHARDS))
    examples.write_shard(examples.create_dataset(str(folder / "data"), examples.header(SHARDS)), 0)
    first = folder / "data" / "catalog" / "shard-000000.parquet"
    footer, table = catalog.decode(first.read_bytes())
    arrays = {name: np.zeros((len(table), 1), np.uint8) for name in catalog.digests(table)}
    rows = [{name: row[name] for name in catalog.columns()} for row in table.to_pylist()]
    for row in rows:
        row["behaviours"] = [(part["start"], part["kind"]) for part in row["behaviours"]]
        row["rejections"] = dict(row["rejections"])
    for shard in range(1, SHARDS):
        sums = footer.model_copy(update={"shard": shard, "sequences": 1000})
        (folder / "data" / catalog.name(shard)).write_bytes(catalog.encode(sums, arrays, rows))
    run = examples.run(folder / "runs" / "long", steps=10, total=ROWS)
    now = time.time()
    with open(run / "metrics.jsonl", "w") as file:
        for step in range(1, ROWS + 1):
            row = {"kind": "train", "step": step, "time": now, "loss": 1.5, "loss_policy": 1 / step, "loader_wait": 0.1}
            file.write(json.dumps(row) + "\n")


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_large_data_and_many_clients(tmp_path: Path) -> None:
    large(tmp_path)
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
            assert time.monotonic() - begin < 200
            time.sleep(0.5)
        read = time.monotonic() - begin
        overview = httpx.get(f"{base}/api/v1/overview").json()
        data, run = overview["datasets"][0], overview["runs"][0]
        assert (data["committed"], run["step"]) == (SHARDS, ROWS)
        paths = ("overview", f"datasets/{data['id']}", f"runs/{run['id']}", f"runs/{run['id']}/metrics")
        taken = _crowd([f"{base}/api/v1/{path}" for path in paths])
        status = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
        assert status
        megabytes = int(status.group(1)) / 1000
        p50, p95 = np.percentile(taken, [50, 95]) * 1000
        print(f"read in {read:.1f} s; {len(taken)} answers to {CLIENTS} clients, one a second each:", end=" ")
        print(f"median {p50:.1f} ms, p95 {p95:.1f} ms; memory at most {megabytes:.0f} MB")
        assert megabytes < 300
        assert p95 < 500, "100 ms on an idle machine; this one may be busy"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _crowd(urls: list[str]) -> list[float]:
    taken: list[float] = []
    end = time.monotonic() + SECONDS

    def client(number: int) -> None:
        with httpx.Client(timeout=30) as session:
            time.sleep(number / CLIENTS)
            while time.monotonic() < end:
                begin = time.perf_counter()
                assert session.get(urls[number % len(urls)]).status_code == 200
                taken.append(time.perf_counter() - begin)
                time.sleep(1.0)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken
