"""What the service leaves in status/, what a run says of its end, and all of it as Prometheus reads it."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from deploy.dashboard.datasets import DatasetSource
from deploy.dashboard.files import RemoteFiles
from deploy.dashboard.models import State
from deploy.dashboard.runs import RunSource
from deploy.dashboard.sources import Sources
from tests.s3 import S3Server

from . import examples


def test_queue_losses_sizes_nodes_holder_and_holes(tmp_path: Path) -> None:
    examples.dataset(tmp_path / "d")
    examples.driver_status(tmp_path / "d")
    source = DatasetSource("d", "d", tmp_path / "d")
    source.poll()
    detail = source.detail
    assert detail
    assert detail.faults == []
    assert detail.state is State.RUNNING
    assert detail.queue
    assert (detail.queue.workers, detail.queue.oldest[0].shard) == (2, 4)
    assert [(loss.name, loss.count) for loss in detail.losses] == [("out of memory", 2)]
    assert [(size.states, size.sequences, size.steps_per_second) for size in detail.sizes] == [(16, 8, 512.0)]
    rates = {rate.node: rate for rate in detail.by_node}
    assert sum(rates["node-1"].steps_per_second) * 60 == pytest.approx(256)
    assert detail.holder
    assert detail.holder.command == "run"
    assert [(hole.shard, hole.attempts, hole.cause) for hole in detail.holes] == [(5, 5, "ValueError: no")]
    assert detail.failed_shards == [5]
    assert detail.projected_bytes == pytest.approx((detail.stored_bytes or 0) * 1.5, abs=1)


def test_a_driver_silent_for_twenty_seconds_is_stalled_and_holds_nothing(tmp_path: Path) -> None:
    examples.dataset(tmp_path / "d")
    examples.driver_status(tmp_path / "d")
    source = DatasetSource("d", "d", tmp_path / "d")
    source.poll(time.time() + 21)
    assert source.detail
    assert (source.detail.queue, source.detail.holder) == (None, None)
    (tmp_path / "d" / "status" / "holes.json").unlink()
    source.poll(time.time() + 21)
    assert source.detail.state is State.STALLED


@pytest.mark.parametrize("name", ["holder.json", "holes.json", "driver~x/000000.json"])
@pytest.mark.parametrize("content", ["{", "[]", '{"shards": {"x": 3}, "queue": {"shards": "no"}, "to": 1, "pid": "a"}'])
def test_a_damaged_status_file_is_a_fault_and_breaks_nothing(tmp_path: Path, name: str, content: str) -> None:
    examples.dataset(tmp_path / "d")
    examples.driver_status(tmp_path / "d")
    (tmp_path / "d" / "status" / name).write_text(content)
    source = DatasetSource("d", "d", tmp_path / "d")
    source.poll()
    assert source.detail
    assert [fault.path for fault in source.detail.faults] == [f"status/{name}"]
    assert source.detail.committed == 4


def test_how_a_run_ended_and_what_its_losses_by_position_were(tmp_path: Path) -> None:
    folder = examples.run(tmp_path / "r", steps=200)
    source = RunSource("r", "r", folder)
    events = ("resumed at step 200 of 400", "told to stop: saved at step 200", "resumed at step 200", "finished: early")
    states = []
    for message in events:
        with open(folder / "metrics.jsonl", "a") as file:
            file.write(json.dumps({"kind": "event", "step": 200, "time": time.time(), "message": message}) + "\n")
            if message.startswith("resumed"):
                file.write(json.dumps(examples.train_row(201, time.time())) + "\n")
        (folder / "best").write_text("step-00000100")
        source.poll()
        assert source.detail
        states.append(source.detail.state)
    assert states == [State.RUNNING, State.STOPPED, State.RUNNING, State.DONE]
    assert source.detail
    assert (source.detail.restarts, source.detail.best, source.detail.durable) == (2, "step-00000100", None)
    history = source.positions()["unseen"]
    assert history.step == [100, 200]
    assert len(history.bins) == len(history.loss_policy) == 9
    assert history.loss_policy[8][1] < history.loss_policy[8][0]


def test_a_long_history_by_position_stays_short(tmp_path: Path) -> None:
    source = RunSource("r", "r", examples.run(tmp_path / "r", steps=8000, total=8000, interval=1))
    while not source.poll() or not source.caught_up:
        pass
    steps = source.positions()["unseen"].step
    assert steps[0] == 10
    assert steps[-1] == 8000
    assert 60 <= len(steps) <= 120
    assert steps == sorted(steps)


def test_prometheus_and_readiness(serve: Callable[..., str], tmp_path: Path) -> None:
    examples.dataset(tmp_path / "data" / "tiny")
    examples.driver_status(tmp_path / "data" / "tiny")
    examples.run(tmp_path / "runs" / "first", steps=100)
    base = serve(tmp_path / "data", tmp_path / "runs")
    answer = httpx.get(f"{base}/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    values = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    overview = httpx.get(f"{base}/api/v1/overview").json()
    data, run = overview["datasets"][0]["id"], overview["runs"][0]["id"]
    assert values[f'omnirl_dataset_shards{{dataset="{data}",state="committed"}}'] == "4.0"
    assert values[f'omnirl_dataset_lost_total{{cause="out of memory",dataset="{data}"}}'] == "2.0"
    assert values[f'omnirl_run_step{{run="{run}"}}'] == "100.0"
    assert values[f'omnirl_run_state{{run="{run}",state="running"}}'] == "1.0"
    ready = httpx.get(f"{base}/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)


@pytest.mark.slow
def test_a_bucket_is_watched_as_a_folder_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from common.dataset.store import open_store
    from deploy.dashboard.sources import Sources, open_data
    from tests.s3 import BUCKET

    server = S3Server(tmp_path / "s3")
    try:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        url = f"s3://{BUCKET}/data/tiny"
        writer = examples.create_dataset(url, examples.header())
        for shard in range(3):
            examples.write_shard(writer, shard)
        sources = Sources(open_data([f"s3://{BUCKET}/data"]), [])
        sources.poll()
        (dataset,) = sources.overview().datasets
        assert (dataset.name, dataset.committed, dataset.location) == ("tiny", 3, url)
        examples.write_shard(writer, 3)
        assert [change.kind for change in sources.poll()] == ["dataset"]
        assert sources.overview().datasets[0].committed == 4
        assert isinstance(RemoteFiles(open_store(url)).stamp("zarr.json"), tuple)
    finally:
        server.kill()


def test_a_folder_with_too_many_runs_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        examples.run(tmp_path / "runs" / f"run-{number}", steps=10)
    monkeypatch.setattr("deploy.dashboard.sources.FOLDERS_READ", 3)
    sources = Sources([], [tmp_path / "runs"])
    sources.poll()
    assert len(sources.training) == 3
    (fault,) = sources.overview().faults
    assert "more than 3 folders" in fault.message
