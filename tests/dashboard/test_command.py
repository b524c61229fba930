"""The command as a user gives it: a process of its own, refusals, and its size."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from . import examples

ROOT = Path(__file__).parents[2]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "deploy.dashboard", *arguments]


def environment(**more: str) -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "OMNIRL_DASHBOARD_TOKEN"} | more


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "something to show"),
        (("--demo", "--runs", "/tmp"), "--demo shows the bundled example alone"),
        (("--runs", "/tmp", "--ray", "file:///etc/passwd"), "--ray takes an http:// or https:// address"),
        (("--runs", "/tmp", "--token-file", "/nowhere"), "--token-file /nowhere cannot be read"),
        (("--data", "/nowhere/at/all"), "'/nowhere/at/all' does not exist"),
        (("--runs", "/tmp", "--host", "0.0.0.0"), "OMNIRL_DASHBOARD_TOKEN"),
    ],
)
def test_bad_requests_are_refused(arguments: tuple[str, ...], message: str) -> None:
    done = subprocess.run(command(*arguments), cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_it_serves_stays_small_and_ends_at_once(tmp_path: Path) -> None:
    examples.dataset(tmp_path / "data", committed=6)
    examples.run(tmp_path / "runs" / "long", steps=20_000, total=20_000)
    arguments = ("--data", str(tmp_path / "data"), "--runs", str(tmp_path / "runs"), "--port", "0")
    process = subprocess.Popen(command(*arguments), cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found
        base = found.group().rstrip("/")
        begin = time.monotonic()
        while httpx.get(f"{base}/healthz").json()["polls"] < 2:
            assert time.monotonic() - begin < 10
            time.sleep(0.1)
        overview = httpx.get(f"{base}/api/v1/overview").json()
        assert overview["datasets"][0]["state"] == "done"
        assert overview["runs"][0]["step"] == 20_000
        status = Path(f"/proc/{process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        assert int(found.group(1)) < 250_000
        loaded = Path(f"/proc/{process.pid}/maps").read_text()
        assert "torch" not in loaded
        assert "/ray/" not in loaded
        with httpx.stream("GET", f"{base}/api/v1/events") as stream:
            next(stream.iter_lines())
            process.send_signal(signal.SIGINT)
            assert process.wait(10) in (0, 130, -signal.SIGINT)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_bundled_example_is_whole() -> None:
    from deploy.dashboard.__main__ import EXAMPLE
    from deploy.dashboard.sources import Sources

    sources = Sources([EXAMPLE / "data"], [EXAMPLE / "runs"])
    sources.catch_up()
    overview = sources.overview()
    assert [(one.state, one.faults) for one in (*overview.datasets, *overview.runs)] == [("done", [])] * 3
    suites = ["anymdp-16", "frozenlake", "frozenlake-slippery", "garnet-16", "small"]
    for run in sources.training.values():
        assert [(sorted(one.suites), one.faults) for one in run.evaluations] == [(suites, [])]
    (data,) = sources.datasets.values()
    assert data.detail and data.detail.by_node and data.detail.sizes and len(data.detail.writers) == 3
    files = [path for path in EXAMPLE.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 1_100_000


def test_every_figure_that_alerts_and_board_ask_for_exists(tmp_path: Path) -> None:
    from deploy.dashboard import prometheus
    from deploy.dashboard.sources import Sources

    examples.dataset(tmp_path / "data")
    examples.driver_status(tmp_path / "data")
    examples.run(tmp_path / "runs", steps=50)
    sources = Sources([tmp_path / "data"], [tmp_path / "runs"])
    sources.poll()
    told = prometheus.exposition(sources).decode()
    asked = "".join((ROOT / "deploy" / "dashboard" / name).read_text() for name in ("alerts.yml", "grafana.json"))
    names = set(re.findall(r"omnirl_\w+", asked))
    assert len(names) > 8
    assert [name for name in names if f"\n{name}{{" not in told] == []
