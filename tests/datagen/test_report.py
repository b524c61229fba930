"""How a dataset stands: what writers said, summed; and what they leave behind is bounded."""

import json
import time

import pytest

from common.dataset import status as statuses
from common.dataset.reader import open_stored
from common.dataset.status import (
    EVENTS,
    MESSAGE,
    Hole,
    InFlight,
    Queue,
    ShardRecord,
    SizeRecord,
    StatusWriter,
    read_holes,
    read_status,
    write_holes,
)
from common.dataset.store import LocalStore, open_store
from common.errors import DataError
from datagen.__main__ import main
from datagen.report import standing
from datagen.work import size_class
from tests.conftest import SMALL


def record(shard, seconds=1.0):
    sizes = {16: SizeRecord(sequences=3, steps=300, seconds=0.5), 128: SizeRecord(sequences=1, steps=100, seconds=1.0)}
    return ShardRecord(shard=shard, seconds=seconds, sequences=4, steps=400, sizes=sizes, rejections={"gap": 2})


@pytest.fixture
def begun(tmp_path):
    """A dataset of twelve shards of which one is committed, and its store."""
    out = str(tmp_path / "d")
    sets = [word for override in (*SMALL[1:], "sequences=8") for word in ("--set", override)]
    assert main(["run", "--recipe", "tiny", "--out", out, "--executor", "inline", *sets]) == 0
    return out


def test_a_run_that_goes_on_as_status_tells_it(begun, capsys):
    store = open_store(begun)
    queue = Queue(
        shards=1, committed=1, waiting=5, in_flight=2, set_aside=1, workers=2, steps_per_second=9.0, seconds_left=3.0,
        oldest=(InFlight(shard=4, worker="actor-1", seconds=12.0),),
    )  # fmt: skip
    with StatusWriter(store, "driver") as driver, StatusWriter(store, "actor", node="abcdef0123") as actor:
        driver.event("lost", 4, "actor-0 with shards [4]", "process died")
        driver.event("lost", 5, "actor-7 with shards [5]", "node lost")
        driver.event("lost", 5, "actor-8 with shards [5]", "node lost")
        driver.show(queue)
        actor.shard_done(record(0))
        actor.shard_done(record(1))
        for writer in (driver, actor):
            writer._write()
        write_holes(store, {3: Hole(attempts=5, cause="no", time=1.0)})
        now = standing(open_stored(begun))
        assert (now.waiting, now.in_flight, now.set_aside) == (5, 2, (3,))
        assert now.losses == {"node lost": 2, "process died": 1}
        assert now.oldest[0].worker == "actor-1"
        assert {size.states for size in now.sizes} >= {16, 128}
        (node,) = [node for node in now.nodes if "abcdef01" in node.node]
        assert node.writers == 1 and node.steps_per_second > 0 and now.rejections["gap"] > 0
        assert len(now.writers) == 2
        assert main(["status", begun]) == 0
        text = capsys.readouterr().out
        for words in (
            "2 in flight, 5 waiting",
            "node lost: 2",
            "shard 4: 12 s on actor-1",
            "set aside",
            "to 128 states",
        ):
            assert words in text
    assert main(["status", begun, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["writers"] == [] and facts["steps_per_second"] == 0 and facts["waiting"] is None


def test_records_of_a_real_run_know_sizes_and_rejections(begun):
    (file,) = read_status(open_store(begun))
    (made,) = file.shards
    assert sum(size.sequences for size in made.sizes.values()) == made.sequences == 8
    assert all(states == size_class(states) for states in made.sizes) and made.time > 0
    assert [size_class(states) for states in (1, 2, 3, 16, 17, 128)] == [1, 2, 4, 16, 32, 128]


def test_a_flood_of_events_is_counted_and_bounded(tmp_path):
    store = LocalStore(tmp_path)
    with StatusWriter(store, "driver") as driver:
        for number in range(3000):
            driver.event("failed", number, "x" * 10_000)
    (file,) = read_status(store)
    assert len(file.events) == EVENTS and file.counts["failed"] == 3000
    assert all(len(event.message) < MESSAGE + 100 for event in file.events)
    assert "characters left out" in file.events[-1].message


def test_periods_grow_so_that_a_long_run_leaves_few_files(tmp_path, monkeypatch):
    clock = [time.time()]
    monkeypatch.setattr(statuses.time, "time", lambda: clock[0])
    store = LocalStore(tmp_path)
    writer = StatusWriter(store, "actor")
    for _ in range(24 * 60):
        writer._write()
        clock[0] += 60.0
    assert 100 < len(store.list(f"status/{writer.writer}")) < 200, "a day's"


def test_many_shards_begin_a_new_file_early(tmp_path):
    store = LocalStore(tmp_path)
    writer = StatusWriter(store, "driver")
    for shard in range(statuses.RECORDS + 5):
        writer.shard_done(record(shard))
        if shard % 500 == 0:
            writer._write()
    writer._write()
    writer.close()
    assert len(next(iter(read_status(store))).shards) <= statuses.RECORDS + 5
    assert sum(len(file.shards) for file in read_status(store)) == statuses.RECORDS + 5


def test_holes_are_read_back_and_a_damaged_record_is_named(tmp_path):
    store = LocalStore(tmp_path)
    write_holes(store, {})
    assert read_holes(store) == {} and store.list("status") == []
    write_holes(store, {7: Hole(attempts=5, cause="Oops", time=2.0)})
    assert read_holes(store)[7].cause == "Oops"
    assert list(read_status(store)) == [], "it is no writer"
    write_holes(store, {})
    assert read_holes(store) == {}
    store.put(statuses.HOLES, b"[]")
    with pytest.raises(DataError, match=r"holes\.json of .* is damaged"):
        read_holes(store)
