"""The API over a dataset written by the real writer and a run in the documented format."""

import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from . import examples

Serve = Callable[..., str]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    examples.dataset(tmp_path / "data" / "tiny")
    examples.run(tmp_path / "runs" / "first")
    examples.results(tmp_path / "runs" / "first" / "evaluation" / "small")
    examples.run(tmp_path / "runs" / "sweeps" / "second", steps=150)
    return tmp_path / "data", tmp_path / "runs"


def get(base: str, path: str) -> Any:
    answer = httpx.get(f"{base}{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def until(ready: Callable[[], bool], seconds: float = 5.0) -> None:
    begin = time.monotonic()
    while not ready():
        assert time.monotonic() - begin < seconds, "it did not come true in time"
        time.sleep(0.05)


def test_overview_finds_datasets_and_runs(serve: Serve, folders: tuple[Path, Path]) -> None:
    overview = get(serve(*folders), "/api/v1/overview")
    (dataset,) = overview["datasets"]
    assert (dataset["name"], dataset["committed"], dataset["shards"]) == ("tiny", 4, 6)
    assert dataset["state"] == "stopped"
    assert dataset["steps"] == 4 * examples.PER_SHARD * examples.LENGTH
    states = {run["name"]: (run["state"], run["step"], run["total_steps"]) for run in overview["runs"]}
    assert states == {"first": ("done", 400, 400), "sweeps/second": ("running", 150, 400)}
    assert overview["faults"] == []


def test_dataset_detail_sums_its_catalog(serve: Serve, folders: tuple[Path, Path]) -> None:
    base = serve(*folders)
    dataset = get(base, f"/api/v1/datasets/{get(base, '/api/v1/overview')['datasets'][0]['id']}")
    steps = 4 * examples.PER_SHARD * examples.LENGTH
    assert sum(part["count"] for part in dataset["tags"]) == steps
    assert sum(part["share"] for part in dataset["tags"]) == pytest.approx(1)
    assert {part["name"]: part["count"] for part in dataset["behaviours"]} == {"random": 16, "q-learning": 16}
    assert {part["name"]: part["count"] for part in dataset["families"]} == {"anymdp": 5, "garnet": 6, "gridworld": 5}
    assert dataset["rejections"] == [{"name": "too easy", "count": 32, "share": 1.0}]
    assert dataset["committed_ranges"] == [[0, 3]]
    objects = [path for path in (folders[0] / "tiny").glob("*/c/**/*") if path.is_file()]
    assert dataset["stored_bytes"] == sum(path.stat().st_size for path in objects)
    (writer,) = dataset["writers"]
    assert (writer["kind"], writer["shards"], writer["state"]) == ("inline", 4, "done")
    assert writer["steps_per_second"] == pytest.approx(steps / 2.0)
    assert [event["kind"] for event in dataset["events"]] == ["failed", "started"]
    assert dataset["progress"]["shards"] == [0, 1, 2, 3, 4]
    assert dataset["settings"]["name"] == "example"


def test_run_detail_metrics_and_evaluations(serve: Serve, folders: tuple[Path, Path]) -> None:
    base = serve(*folders)
    key = next(run["id"] for run in get(base, "/api/v1/overview")["runs"] if run["name"] == "first")
    run = get(base, f"/api/v1/runs/{key}")
    assert run["latest"]["loss_policy"] == pytest.approx(examples.train_row(400, 0)["loss_policy"])
    assert run["accuracy_random_context"] == pytest.approx(0.6)
    assert run["by_position"]["unseen"][0]["from"] == 0
    assert run["checkpoints"][0]["message"] == "step 400: checkpoints/step-00000400"
    metrics = get(base, f"/api/v1/runs/{key}/metrics")
    assert metrics["train"]["step"] == list(range(10, 401, 10))
    assert set(metrics["validation"]) == {"unseen", "unseen-without-oracle"}
    assert len(get(base, f"/api/v1/runs/{key}/metrics?points=10")["train"]["step"]) == 10
    assert httpx.get(f"{base}/api/v1/runs/{key}/metrics?points=0").status_code == 422
    (evaluation,) = get(base, f"/api/v1/runs/{key}/evaluations")
    assert evaluation["path"] == "evaluation/small/results.json"
    assert evaluation["suites"]["small"]["model"]["score_by_step"][1]["from"] == 50
    assert set(evaluation["suites"]["small"]["baselines"]) >= {"random", "oracle", "q-learning"}


def test_a_new_metrics_row_is_an_event_within_three_seconds(serve: Serve, folders: tuple[Path, Path]) -> None:
    base = serve(*folders)
    key = next(run["id"] for run in get(base, "/api/v1/overview")["runs"] if run["state"] == "running")
    heard: list[tuple[float, dict[str, Any]]] = []
    listening = threading.Event()

    def listen() -> None:
        with httpx.stream("GET", f"{base}/api/v1/events", timeout=10) as stream:
            for line in stream.iter_lines():
                listening.set()
                if line.startswith("data: "):
                    heard.append((time.monotonic(), json.loads(line.removeprefix("data: "))))
                    return

    thread = threading.Thread(target=listen)
    thread.start()
    assert listening.wait(5)
    begin = time.monotonic()
    with open(folders[1] / "sweeps" / "second" / "metrics.jsonl", "a") as file:
        file.write(json.dumps(examples.train_row(160, time.time())) + "\n")
    thread.join(10)
    ((moment, change),) = heard
    assert (change["kind"], change["id"]) == ("run", key)
    assert moment - begin < 3
    assert get(base, f"/api/v1/runs/{key}")["step"] == 160


def test_a_committed_shard_and_a_new_run_appear_by_themselves(serve: Serve, folders: tuple[Path, Path]) -> None:
    base = serve(*folders)
    examples.write_shard(examples.create_dataset(str(folders[0] / "tiny"), examples.header()), 5)
    examples.run(folders[1] / "third", steps=20)
    until(lambda: get(base, "/api/v1/overview")["datasets"][0]["committed"] == 5)
    until(lambda: len(get(base, "/api/v1/overview")["runs"]) == 3)
    shutil.rmtree(folders[1] / "third")
    until(lambda: len(get(base, "/api/v1/overview")["runs"]) == 2)


def test_corrupt_files_are_faults_of_their_own_dataset_or_run(serve: Serve, folders: tuple[Path, Path]) -> None:
    data, runs = folders
    (data / "tiny" / "catalog" / "shard-000004.parquet").write_bytes(b"PAR1 and no more")
    next((data / "tiny" / "status").rglob("*.json")).write_text('{"writer": ')
    examples.dataset(data / "broken", committed=1)
    (data / "broken" / "zarr.json").write_text('{"zarr_format": 3, "att')
    with open(runs / "first" / "metrics.jsonl", "a") as file:
        file.write('{"kind": "train", noise\n{"kind": "validation", "step": 1, "by_position": [{"from": 0}]}\n{"kind')
    (runs / "first" / "evaluation" / "small" / "results.json").write_text('{"suites": {"small": {"model": 3}}}')
    examples.run(runs / "blank", steps=10)
    (runs / "blank" / "run.json").write_text("")
    base = serve(data, runs)
    overview = get(base, "/api/v1/overview")
    datasets = {dataset["name"]: dataset for dataset in overview["datasets"]}
    faults = {fault["path"].split("/")[0]: fault["message"] for fault in datasets["tiny"]["faults"]}
    assert set(faults) == {"catalog", "status"}
    assert datasets["tiny"]["committed"] == 4
    assert datasets["broken"]["state"] == "broken"
    assert datasets["broken"]["faults"][0]["path"] == "zarr.json"
    found = {run["name"]: run for run in overview["runs"]}
    assert found["sweeps/second"]["faults"] == []
    assert [fault["path"] for fault in found["first"]["faults"]] == ["metrics.jsonl"] * 2
    assert found["first"]["step"] == 400
    assert [fault["path"] for fault in found["blank"]["faults"]] == ["run.json"]
    (evaluation,) = get(base, f"/api/v1/runs/{found['first']['id']}/evaluations")
    assert evaluation["faults"][0]["message"].startswith("small, model")
    for dataset in datasets.values():
        get(base, f"/api/v1/datasets/{dataset['id']}")
    for run in found.values():
        get(base, f"/api/v1/runs/{run['id']}")
        get(base, f"/api/v1/runs/{run['id']}/metrics")
    assert get(base, "/healthz")["status"] == "ok"


def test_a_repaired_file_is_no_fault_any_more(serve: Serve, folders: tuple[Path, Path]) -> None:
    path = folders[1] / "first" / "run.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:20])
    base = serve(*folders)
    run = next(run for run in get(base, "/api/v1/overview")["runs"] if run["name"] == "first")
    assert run["faults"]
    path.write_bytes(whole)
    until(lambda: get(base, f"/api/v1/runs/{run['id']}")["faults"] == [])


def test_a_silent_producer_is_stalled(serve: Serve, folders: tuple[Path, Path]) -> None:
    examples.run(folders[1] / "silent", steps=100, age=40.0)
    base = serve(*folders)
    states = {run["name"]: run["state"] for run in get(base, "/api/v1/overview")["runs"]}
    assert states["silent"] == "running", "run.json is new: it has just been begun"
    os.utime(folders[1] / "silent" / "run.json", (time.time() - 50,) * 2)
    until(lambda: {r["name"]: r["state"] for r in get(base, "/api/v1/overview")["runs"]}["silent"] == "stalled")


def test_openapi_describes_every_answer(serve: Serve, folders: tuple[Path, Path]) -> None:
    paths = get(serve(*folders), "/api/v1/openapi.json")["paths"]
    for path in ("/api/v1/overview", "/api/v1/datasets/{dataset}", "/api/v1/runs/{run}/metrics"):
        assert paths[path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
