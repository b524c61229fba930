"""A killed run loses nothing that was committed, leaves nothing that could be taken for data, and goes on."""

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from common.dataset import catalog, open_dataset
from common.dataset.digest import row_digests
from common.dataset.store import STAGING
from common.errors import DataError
from tests.conftest import CHECKOUT, LONGER, datagen_command

MOMENTS = 20


def files(folder: Path) -> dict[str, bytes]:
    """The content of everything but status."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        name: path.read_bytes() for path in paths if not (name := str(path.relative_to(folder))).startswith("status")
    }


def run(out, *options) -> subprocess.CompletedProcess:
    command = datagen_command(
        "run", "--recipe", "tiny", "--out", str(out), "--executor", "inline", *options, overrides=LONGER
    )
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=300)


def check_committed(out: Path, shards: list[int]) -> None:
    """Every committed shard reads back as its catalog says."""
    dataset = open_dataset(str(out))
    for shard in shards:
        rows = dataset.read(shard * dataset.sequences_per_shard, dataset.sequences_per_shard).arrays()
        for name, expected in catalog.digests(dataset.catalog(shard)).items():
            assert row_digests(rows[name]) == expected, (shard, name)


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path, undisturbed_digest):
    out = tmp_path / "d"
    seed = random.SystemRandom().randrange(2**32)
    print("seed of the moments:", seed)
    rng = random.Random(seed)
    moments = ",".join(f"{rng.uniform(0.0, 1.2):.4f}" for _ in range(MOMENTS))
    script = Path(__file__).with_name("killed.py")
    command = [sys.executable, str(script), str(out), moments, *LONGER]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.rpartition("\n[")[2].join(["[", ""]))
    assert len(seen) == 1 + MOMENTS and sum(one["killed"] for one in seen) >= MOMENTS // 2
    for before, after in itertools.pairwise(seen):
        assert set(before["committed"]) <= set(after["committed"])
    assert len({len(one["committed"]) for one in seen}) > 3  # killed all along the way
    check_committed(out, seen[-1]["committed"])
    last = run(out)
    assert last.returncode == 0, last.stderr
    dataset = open_dataset(str(out))
    assert dataset.complete and dataset.digest() == undisturbed_digest
    assert not (out / STAGING).exists()


def test_what_a_kill_left_is_nobodys_data_and_gc_removes_it(tmp_path, datagen, tiny_dataset):
    """Left as a kill between an object and its catalog file leaves it, and in the middle of an object."""
    out = Path(shutil.copytree(tiny_dataset, tmp_path / "d"))
    whole = files(out)
    (out / catalog.name(3)).unlink()
    dead = subprocess.run(
        [sys.executable, "-c", "from common.dataset.store import attempt_name; print(attempt_name())"],
        cwd=CHECKOUT, capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    (out / STAGING / dead).mkdir(parents=True)
    (out / STAGING / dead / "000007").write_bytes(b"half an obj")
    with pytest.raises(DataError, match=r"shard 3 .* is not committed"):
        open_dataset(str(out)).read(24, 1)
    code, text, _ = datagen("gc", str(out), "--dry-run", "--json")
    dry = json.loads(text)
    assert code == 0 and dry["dry_run"] and not dry["kept"] and (out / "tag/c/3/0").exists()
    code, text, _ = datagen("gc", str(out), "--json")
    found = json.loads(text)
    assert code == 0 and found["removed"] == dry["removed"] and found["removed_bytes"] > 100
    assert {f".staging/{dead}/000007", "tag/c/3/0", "oracle/c/3/0/0"} < set(found["removed"]) and not found["kept"]
    assert len(found["removed"]) == 6 and not (out / STAGING).exists()
    left = files(out)
    assert left == {name: data for name, data in whole.items() if name in left} and len(whole) - len(left) == 6
    code, text, _ = datagen("gc", str(out))
    assert code == 0 and "removed 0 objects" in text
    code, _, errors = datagen("gc", str(tmp_path))
    assert code == 2 and "holds no dataset" in errors


def test_gc_leaves_a_living_worker_and_a_holder_alone(tmp_path, datagen, tiny_dataset):
    from common.dataset.store import LocalStore
    from datagen.holding import Holding

    out = Path(shutil.copytree(tiny_dataset, tmp_path / "d"))
    (out / catalog.name(3)).unlink()
    elsewhere = out / STAGING / "another-host~7~1~abc"
    elsewhere.mkdir(parents=True)
    (elsewhere / "000001").write_bytes(b"at work")
    os.utime(out / "tag/c/3/0", (time.time() - 3000,) * 2)
    os.utime(out / "reward/c/3/0", (time.time(),) * 2)
    for name in ("observation/c/3/0", "action/c/3/0", "oracle/c/3/0/0"):
        os.utime(out / name, (time.time(),) * 2)
    code, text, _ = datagen("gc", str(out), "--json")
    found = json.loads(text)
    assert code == 0 and found["removed"] == ["tag/c/3/0"] and found["maybe_alive"] == ["another-host~7~1~abc"]
    assert found["kept"] == ["action/c/3/0", "observation/c/3/0", "oracle/c/3/0/0", "reward/c/3/0"]
    code, text, _ = datagen("gc", str(out))
    assert "kept 4 uncommitted objects" in text and "another-host~7~1~abc may be at work; --older-than 0" in text
    with Holding(LocalStore(out), "run"):
        code, _, errors = datagen("gc", str(out), "--older-than", "0")
    assert code == 2 and "held by `run`" in errors and (out / "reward/c/3/0").exists()
    code, text, _ = datagen("gc", str(out), "--older-than", "0", "--json")
    assert code == 0 and len(json.loads(text)["removed"]) == 5


@pytest.mark.slow
def test_a_reader_while_it_is_written_gets_committed_data_only(tmp_path, undisturbed_digest):
    out = tmp_path / "d"
    command = datagen_command("run", "--recipe", "tiny", "--out", str(out), "--executor", "inline", overrides=LONGER)
    writer = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not (out / "zarr.json").exists():
            assert time.monotonic() < deadline and writer.poll() is None
            time.sleep(0.01)
        time.sleep(0.05)
        dataset = open_dataset(str(out))
        rng, looks, refused = np.random.default_rng(0), 0, 0
        while writer.poll() is None:
            done = sorted(dataset.committed())
            if done:
                check_committed(out, [int(rng.choice(done))])
                looks += 1
            last = dataset.n_shards - 1
            try:
                dataset.read(last * dataset.sequences_per_shard, 1)
            except DataError as error:
                assert f"shard {last} of " in str(error) and "is not committed" in str(error)
                refused += 1
            else:
                assert last in dataset.committed()
    finally:
        writer.wait(timeout=300)
    assert writer.returncode == 0 and looks > 3 and refused > 3
    assert dataset.digest() == undisturbed_digest


def test_a_writer_that_wakes_up_late_finds_its_shard_committed(tmp_path):
    """It slept between its last object and the catalog file; the shard was made by another meanwhile."""
    from common.dataset.writer import create_dataset, join_dataset
    from tests.dataset import made_up

    late = create_dataset(str(tmp_path / "d"), made_up.header())
    other = join_dataset(str(tmp_path / "d"), late.header.identity)
    asleep, awake = threading.Event(), threading.Event()
    put_new = late.store.put_new

    def sleepy(key, data):
        if key == catalog.name(1):
            asleep.set()
            assert awake.wait(60)
        return put_new(key, data)

    late.store.put_new = sleepy
    receipts = []

    def work():
        receipts.append(late.write_shard(1, made_up.shard_arrays(late.header, 1), made_up.shard_rows(late.header, 1)))

    thread = threading.Thread(target=work)
    thread.start()
    assert asleep.wait(60)
    assert other.write_shard(1, made_up.shard_arrays(late.header, 1), made_up.shard_rows(late.header, 1)).new
    before = files(tmp_path / "d")
    awake.set()
    thread.join()
    assert [receipt.new for receipt in receipts] == [False]
    late.close()
    other.close()
    assert files(tmp_path / "d").items() >= {n: d for n, d in before.items() if STAGING not in n}.items()
    open_dataset(str(tmp_path / "d")).read(4, 4)


@pytest.mark.slow
def test_a_stopped_run_that_was_taken_over_changes_nothing_when_it_goes_on(tmp_path, undisturbed_digest):
    out = tmp_path / "d"
    command = datagen_command("run", "--recipe", "tiny", "--out", str(out), "--executor", "inline", overrides=LONGER)
    first = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        deadline = time.monotonic() + 120
        while len(list(out.glob("catalog/*"))) < 3:
            assert time.monotonic() < deadline and first.poll() is None
            time.sleep(0.01)
        first.send_signal(signal.SIGSTOP)
        refused = run(out)
        assert refused.returncode == 2 and "held by `run`" in refused.stderr
        second = run(out, "--takeover")
        assert second.returncode == 0, second.stderr
        before = files(out)
    finally:
        first.send_signal(signal.SIGCONT)
    text, _ = first.communicate(timeout=300)
    assert first.returncode == 0, text
    after = files(out)
    staged = [name for name in before if STAGING in name]
    assert after == {name: data for name, data in before.items() if name not in staged}
    assert open_dataset(str(out)).digest() == undisturbed_digest
