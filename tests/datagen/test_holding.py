"""One command at a time writes to a dataset; a dead one is taken over, a living one only by force."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from common.dataset import open_dataset
from common.dataset.store import LocalStore, open_store
from common.errors import DataError, UsageError
from datagen import holding
from datagen.holding import KEY, Holding, TakenOver, holder
from tests.conftest import CHECKOUT, LONGER, SMALL, datagen_command
from tests.datagen.test_inline import start, wait_for_shards


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(holding, "HEARTBEAT", 0.05)


def write(store, **changes):
    """Write a holder's record as another process would."""
    with Holding(store, "run"):
        record = holder(store).model_dump()
    store.put(KEY, json.dumps({**record, **changes}).encode())


def test_the_second_is_told_who_holds_it_and_since_when(tmp_path):
    store = LocalStore(tmp_path)
    with Holding(store, "extend"):
        message = rf"held by `extend`, process {os.getpid()} on \S+, since \d{{4}}-\d\d-\d\d .*--takeover"
        for attempt in (lambda: Holding(store, "run").__enter__(), lambda: holding.check_free(store)):
            with pytest.raises(UsageError, match=message):
                attempt()
    assert holder(store) is None
    holding.check_free(store)


def test_a_holder_whose_process_is_gone_is_taken_over_without_asking(tmp_path):
    store = LocalStore(tmp_path)
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    started = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
    write(store, token="theirs", pid=process.pid, started=started)
    with pytest.raises(UsageError, match=f"process {process.pid}"):
        holding.check_free(store)
    process.kill()
    while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    with Holding(store, "run") as hold:  # dead, though nobody buried it yet
        assert hold.before.token == "theirs"
    process.communicate()
    write(store, token="theirs", pid=os.getpid(), started="1")  # its number is another process's now
    holding.check_free(store)


@pytest.mark.parametrize(("age", "free"), [(5.0, False), (29.0, False), (31.0, True)])
def test_a_holder_elsewhere_is_dead_when_its_heartbeat_is_half_a_minute_old(tmp_path, age, free):
    store = LocalStore(tmp_path)
    write(store, token="theirs", host="far", machine="another", heartbeat=time.time() - age)
    if free:
        with Holding(store, "run") as hold:
            assert hold.before.host == "far"
    else:
        with pytest.raises(UsageError, match=r"on far, since .* last heard of \d+ s ago"), Holding(store, "run"):
            pass


def test_the_one_that_lost_its_hold_learns_of_it_and_leaves_the_others_record(tmp_path, quick):
    store = LocalStore(tmp_path)
    with Holding(store, "run") as first:
        first.check()
        with Holding(store, "gc", takeover=True):
            deadline = time.monotonic() + 20.0
            with pytest.raises(TakenOver, match=r"taken over by `gc`"):
                while time.monotonic() < deadline:
                    first.check()
                    time.sleep(0.02)
            first.__exit__()
            assert holder(store).command == "gc"
    assert holder(store) is None


def test_heartbeats_are_renewed_and_a_lost_record_is_written_again(tmp_path, quick):
    store = LocalStore(tmp_path)
    with Holding(store, "run"):
        first = holder(store).heartbeat
        time.sleep(0.5)
        assert holder(store).heartbeat > first
        store.delete(KEY)
        time.sleep(0.5)
        assert holder(store) is not None


def test_waiting_for_a_holder_to_end(tmp_path):
    store = LocalStore(tmp_path)
    with Holding(store, "run") as first:
        begin = time.monotonic()
        with pytest.raises(UsageError):
            holding.check_free(store, wait=0.3)
        assert time.monotonic() - begin >= 0.3
        first.__exit__()
        with Holding(store, "run", wait=30.0):
            pass


def test_a_damaged_record_is_named(tmp_path):
    store = LocalStore(tmp_path)
    store.put(KEY, b"{}")
    with pytest.raises(DataError, match=r"holder\.json of .* is damaged"):
        holding.check_free(store)


def run(out, *arguments):
    command = datagen_command(
        "run", "--recipe", "tiny", "--out", str(out), "--executor", "inline", *arguments, overrides=LONGER
    )
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=240)


def test_a_second_command_is_refused_and_touches_nothing_and_a_killed_one_is_taken_over(tmp_path, undisturbed_digest):
    out = tmp_path / "d"
    first = start(out)
    wait_for_shards(out, 3, first)
    os.kill(first.pid, signal.SIGSTOP)  # slow or stopped is not dead
    refused = run(out)
    assert refused.returncode == 2 and f"process {first.pid} on" in refused.stderr
    assert "since 2" in refused.stderr and "--takeover" in refused.stderr
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    again = run(out)
    assert again.returncode == 0 and f"taken over from `run`, process {first.pid}" in again.stderr
    assert open_dataset(str(out)).digest() == undisturbed_digest
    assert holder(open_store(str(out))) is None


def test_both_forced_at_once_end_right(tmp_path, undisturbed_digest):
    out = tmp_path / "d"
    first = start(out)
    wait_for_shards(out, 2, first)
    second = start(out, "--takeover")
    for process in (first, second):
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
    assert open_dataset(str(out)).digest() == undisturbed_digest
    made = [json.loads(path.read_text()) for path in (out / "status").glob("*/*.json")]
    shards = [record["shard"] for file in made for record in file["shards"]]
    assert sorted(shards) == list(range(64)), "nothing is counted twice"


def test_small_runs_hold_and_release(tmp_path, datagen):
    out = str(tmp_path / "d")
    for _ in range(2):
        code, _, errors = datagen("run", "--recipe", "tiny", "--out", out, "--executor", "inline", overrides=SMALL)
        assert code == 0, errors
    assert holder(open_store(out)) is None
