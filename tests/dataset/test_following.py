"""Reading a dataset while it is written: committed shards only, in an order that is the same afterwards."""

import multiprocessing
import os
import signal
import subprocess
import threading
import time

import numpy as np
import pytest

from common.dataset import header as headers
from common.dataset import open_dataset
from common.dataset.dataset import HoleError
from common.dataset.status import Hole, write_holes
from common.dataset.writer import create_dataset
from common.errors import DataError, UsageError
from tests.conftest import CHECKOUT, LONGER, datagen_command
from tests.dataset import made_up
from tests.dataset.test_round_trip import write


def test_refresh_tells_what_is_new(tmp_path):
    head = made_up.header()
    write(tmp_path / "d", head, shards=[1])
    dataset = open_dataset(str(tmp_path / "d"))
    assert dataset.refresh() == {1} and dataset.refresh() == set() and not dataset.complete
    assert dataset.windows(2) == [range(2), range(2, 3)]
    with pytest.raises(DataError, match=r"shard 0 of .* is not committed"):
        dataset.read(0, 1)
    with pytest.raises(DataError, match="2 of 3 shards not committed: 0, 2"):
        dataset.numbers()
    write(tmp_path / "d", head, shards=[0, 2])
    assert dataset.refresh() == {0, 2} and dataset.complete
    np.testing.assert_array_equal(dataset.numbers(), np.arange(12))


def test_waiting_says_for_what_and_where_and_ends_when_the_shard_is_there(tmp_path):
    head, said = made_up.header(), []
    write(tmp_path / "d", head, shards=[0])
    dataset = open_dataset(str(tmp_path / "d"))
    later = threading.Timer(0.3, write, (tmp_path / "d", head, [2]))
    later.start()
    assert dataset.wait_for([0, 2], say=said.append, poll=0.02) == {0, 2}
    later.join()
    assert len(said) == 1 and said[0].startswith(f"waiting for shard 2 of {tmp_path / 'd'}, 1 of 3 are committed")
    np.testing.assert_array_equal(dataset.read(8, 4).reward, made_up.shard_arrays(head, 2)["reward"])
    with pytest.raises(DataError, match=r"waiting for shard 1 .* gave up after"):
        dataset.wait_for([1], timeout=0.05, say=said.append, poll=0.01)
    assert dataset.wait_for([0, 1], stop=lambda: True) == {0}


def test_a_hole_is_refused_unless_it_may_be_skipped(tmp_path):
    head = made_up.header()
    writer = write(tmp_path / "d", head, shards=[0, 2])
    dataset = open_dataset(str(tmp_path / "d"))
    write_holes(writer.store, {1: Hole(attempts=5, cause="Traceback ...\nOSError: no such disk", time=time.time())})
    message = r"shard 1 of .* was set aside after 5 failed attempts \(OSError: no such disk\); mend"
    assert list(dataset.holes) == [1]
    for attempt in (
        lambda: dataset.read(0, 12),
        lambda: dataset.catalog(1),
        lambda: dataset.gather([5]),
        lambda: dataset.numbers(),
        lambda: dataset.wait_for([0, 1]),
        lambda: dataset.digest(),
    ):
        with pytest.raises(HoleError, match=message):
            attempt()
    np.testing.assert_array_equal(dataset.numbers(skip_holes=True), [0, 1, 2, 3, 8, 9, 10, 11])
    assert dataset.wait_for([0, 1, 2], skip_holes=True) == {0, 2}
    write(tmp_path / "d", head, shards=[1])  # a later run mends it: no hole any more, whatever the record says
    assert dataset.holes == {} and dataset.complete and len(dataset.numbers()) == 12


def test_a_hole_does_not_hide_what_is_merely_missing(tmp_path):
    writer = write(tmp_path / "d", made_up.header(), shards=[0])
    write_holes(writer.store, {1: Hole(attempts=5, cause="x", time=0.0)})
    with pytest.raises(DataError, match="not committed: 1, 2"):
        open_dataset(str(tmp_path / "d")).numbers(skip_holes=True)


def test_another_dataset_in_its_place_is_noticed(tmp_path):
    write(tmp_path / "d", made_up.header())
    dataset = open_dataset(str(tmp_path / "d"))
    (tmp_path / "d").rename(tmp_path / "old")
    with pytest.raises(DataError, match="no longer the dataset"):
        dataset.refresh()
    write(tmp_path / "d", made_up.header(identity="1" * 64))
    with pytest.raises(DataError, match="no longer the dataset"):
        dataset.refresh()


@pytest.mark.slow
def test_a_run_is_followed_to_its_end(tmp_path, undisturbed_digest):
    out, said = tmp_path / "d", []
    command = datagen_command("run", "--recipe", "tiny", "--out", str(out), "--executor", "inline", overrides=LONGER)
    run = subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.DEVNULL)

    def say(line):
        said.append(line)
        run.send_signal(signal.SIGCONT)

    try:
        while not (out / "zarr.json").exists():
            assert run.poll() is None
            time.sleep(0.02)
        run.send_signal(signal.SIGSTOP)  # held until the reader has begun to wait for it
        dataset = open_dataset(str(out))
        for window in dataset.windows(8):
            dataset.wait_for(window, timeout=120, say=say, poll=0.05)
            for shard in window:
                rows = dataset.read(shard * dataset.sequences_per_shard, dataset.sequences_per_shard)
                assert (rows.action.max(axis=1) == dataset.actions).all()  # every sequence has ended an episode
    finally:
        run.send_signal(signal.SIGCONT)
        assert run.wait(120) == 0
    assert said and f"of {out}" in said[0]  # it was read while it was written
    assert dataset.digest() == undisturbed_digest


def test_another_format_version_is_refused_by_name(tmp_path, monkeypatch):
    write(tmp_path / "d", made_up.header(provenance={"version": "9.9.9"}))
    root = tmp_path / "d" / "zarr.json"
    root.write_text(root.read_text().replace('"format_version": 1', '"format_version": 7'))
    with pytest.raises(UsageError, match=r"format version 7.* reads version 1.*omnirl 9\.9\.9"):
        open_dataset(str(tmp_path / "d"))
    with pytest.raises(UsageError, match="format version 7"):
        create_dataset(str(tmp_path / "d"), made_up.header())
    assert headers.FORMAT_VERSION == 1


def _child(url, answers):
    try:
        answers.put(open_dataset(url).read(0, 1).action.shape)
    except DataError as error:
        answers.put(str(error))


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_reading_in_a_fork_is_refused_where_it_would_hang(tmp_path, method):
    write(tmp_path / "d", made_up.header())
    open_dataset(str(tmp_path / "d")).read(0, 1)
    context = multiprocessing.get_context(method)
    answers = context.Queue()
    child = context.Process(target=_child, args=(str(tmp_path / "d"), answers))
    child.start()
    answer = answers.get(timeout=60)
    child.join(60)
    assert child.exitcode == 0 and os.getpid() != child.pid
    assert answer == (1, 20) if method == "spawn" else "start processes by spawn" in answer
