"""The inline run as a user knows it: killed, interrupted, doubled, repeated; always the same data in the end."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from common.dataset import open_dataset
from common.dataset.schema import Tag
from common.dataset.store import STAGING
from tests.conftest import CHECKOUT, LONGER, SMALL, datagen_command

SHARDS = 64


def start(out, *arguments):
    command = datagen_command(
        "run", "--recipe", "tiny", "--out", str(out), "--executor", "inline", *arguments, overrides=LONGER
    )
    return subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.PIPE, text=True)


def wait_for_shards(out: Path, count: int, process: subprocess.Popen | None = None) -> None:
    deadline = time.monotonic() + 120.0
    while len(list((out / "catalog").glob("*.parquet"))) < count:
        assert time.monotonic() < deadline, f"{count} shards never came"
        assert process is None or process.poll() is None, process.communicate()[1]
        time.sleep(0.002)


def interrupt(out, count, number):
    process = start(out)
    wait_for_shards(out, count, process)
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=60)
    left = len(list((out / "catalog").glob("*.parquet")))
    assert count <= left < SHARDS, "interrupted too late to prove anything"
    return process.returncode, errors


def test_killed_and_interrupted_again_and_again_then_finished(tmp_path, undisturbed_digest, datagen):
    out = tmp_path / "d"
    for count in (1, 15, 25):
        code, _ = interrupt(out, count, signal.SIGKILL)
        assert code == -signal.SIGKILL
    for count, number in ((35, signal.SIGINT), (45, signal.SIGTERM)):
        code, errors = interrupt(out, count, number)
        assert code == 130 and "the same command again goes on from here" in errors and "Traceback" not in errors
        assert not (out / STAGING).exists()
    code, _, errors = datagen("run", "--recipe", "tiny", "--out", str(out), "--executor", "inline", overrides=LONGER)
    assert code == 0, errors
    assert "of 64 shards are committed already" in errors
    assert open_dataset(str(out)).digest() == undisturbed_digest
    assert not (out / STAGING).exists()


def test_two_commands_forced_at_once_end_right(tmp_path, undisturbed_digest):
    processes = [start(tmp_path / "d", "--takeover") for _ in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
    assert open_dataset(str(tmp_path / "d")).digest() == undisturbed_digest
    assert not (tmp_path / "d" / STAGING).exists()


def test_the_catalog_fits_the_arrays(tiny_dataset):
    dataset = open_dataset(tiny_dataset)
    for shard in range(dataset.n_shards):
        rows = dataset.read(shard * dataset.sequences_per_shard, dataset.sequences_per_shard)
        for place, entry in enumerate(dataset.catalog(shard).to_pylist()):
            breaks = rows.action[place] == dataset.actions
            assert (breaks == (rows.tag[place] >= Tag.TERMINATED)).all()
            assert breaks.sum() == entry["episodes"] or breaks.sum() + 1 == entry["episodes"]
            assert entry["return"] == pytest.approx(float(rows.reward[place].sum(dtype="f8")), abs=1e-4)
            assert set(rows.observation[place].tolist()) <= set(entry["symbol"])
            assert set(entry["action_map"]) == set(range(entry["n_a"])) and len(entry["action_map"]) == dataset.actions
            assert isinstance(json.loads(entry["parameters"]), dict)


def test_a_store_that_cannot_be_written_stops_the_run_by_name(tmp_path, datagen):
    out = tmp_path / "d"
    code, _, _ = datagen(
        "run", "--recipe", "tiny", "--out", str(out), "--executor", "inline", overrides=(*SMALL[1:], "sequences=8")
    )
    assert code == 0
    (out / "catalog/shard-000000.parquet").unlink()
    (out / "tag/c/0/0").unlink()
    (out / "tag/c/0").rmdir()
    (out / "tag/c/0").touch()  # a file where a folder must be
    code, _, errors = datagen(
        "run", "--recipe", "tiny", "--out", str(out), "--executor", "inline", overrides=(*SMALL[1:], "sequences=8")
    )
    assert code == 1 and "tag/c/0/0" in errors and "Traceback" not in errors
