"""The Ray executor on one real session: any number of actors, some of them killed, give the inline run's data."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from common.dataset import open_dataset
from common.dataset.status import read_status
from common.dataset.store import STAGING, open_store
from common.dataset.writer import Conflict, create_dataset
from common.errors import DataError
from common.synthesis.recipe import load
from datagen.cluster.idle import IdleActor
from datagen.cluster.pool import RayPool
from datagen.plan import make_plan
from datagen.run import run
from datagen.verify import verify
from tests.conftest import LONGER, SMALL


@pytest.fixture(scope="module")
def ray_session():
    import ray

    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=100 * 1024 * 1024,
        log_to_driver=False,
    )
    yield ray
    ray.shutdown()


def events(out):
    return [event for file in read_status(open_store(str(out))) for event in file.events]


@pytest.mark.parametrize("actors", [1, 2])
def test_actors_give_the_inline_digest(tmp_path, ray_session, tiny_digest, tiny_dataset, actors):
    out = str(tmp_path / "d")
    run(load("tiny", SMALL), out, actors=actors)
    report = verify(out)
    assert report.ok and report.digest == tiny_digest
    inline = open_dataset(tiny_dataset)
    assert all(open_dataset(out).catalog(shard).equals(inline.catalog(shard)) for shard in range(inline.n_shards))
    files = list(read_status(open_store(out)))
    made = [record.shard for file in files for record in file.shards]
    assert sorted(made) == list(range(12)), "each shard is counted once"
    kinds = sorted(file.kind for file in files)  # so small a dataset may be done before the second actor is ready
    assert kinds[-1] == "driver" and 1 <= kinds.count("actor") <= actors and len(kinds) == kinds.count("actor") + 1
    assert all(file.finished for file in files)
    assert not (tmp_path / "d" / STAGING).exists()


def test_a_killed_actor_is_replaced_and_its_shards_are_made(tmp_path, ray_session, undisturbed_digest):
    out = tmp_path / "d"
    killed = []

    def kill_actors():
        for count in (3, 25):
            while len(list((out / "catalog").glob("*.parquet"))) < count:
                time.sleep(0.002)
            writers = {path.name: path for path in (out / "status").iterdir() if path.name.startswith("actor~")}
            alive = [int(name.split("~")[2]) for name in writers if int(name.split("~")[2]) not in killed]
            killed.append(alive[0])
            os.kill(alive[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_actors, daemon=True)
    killer.start()
    run(load("tiny", LONGER), str(out), actors=2)
    killer.join()
    assert verify(str(out)).digest == undisturbed_digest
    lost = [event for event in events(out) if event.kind == "lost"]
    assert len(killed) == len(lost) == 2 and all("shards [" in event.message for event in lost)


def test_a_shard_that_cannot_be_written_is_set_aside_named_and_made_later(tmp_path, ray_session, tiny_digest):
    out = tmp_path / "d"
    recipe = load("tiny", SMALL)
    create_dataset(str(out), make_plan(recipe).header)
    (out / "reward/c").mkdir()
    (out / "reward/c/3").touch()  # a file where a folder must be
    with pytest.raises(DataError, match=r"shards 3 of .* were set aside[\s\S]*cannot write reward/c/3/0"):
        run(recipe, str(out), actors=2)
    assert open_dataset(str(out)).committed() == set(range(12)) - {3}
    assert [event.kind for event in events(out) if event.shard == 3] == ["failed"] * 4 + ["set-aside"]
    (out / "reward/c/3").unlink()
    run(recipe, str(out), actors=2)
    assert verify(str(out)).digest == tiny_digest


def test_data_that_contradict_the_recipe_stop_the_run(tmp_path, ray_session, tiny_dataset):
    out = tmp_path / "d"
    recipe = load("tiny", SMALL)
    other = (Path(tiny_dataset) / "tag/c/1/0").read_bytes()
    create_dataset(str(out), make_plan(recipe).header).store.put_new("tag/c/2/0", other)
    with pytest.raises(Conflict, match=r"shard 2: object tag/c/2/0 .* other data"):
        run(recipe, str(out), actors=2)
    assert 2 not in open_dataset(str(out)).committed()


class Twice(RayPool):
    """Gives every shard to two actors, and delivers what both return."""

    def submit(self, worker, shard):
        super().submit(worker, shard)
        others = [name for name, other in self._workers.items() if name != worker and other.node is not None]
        for other in others[:1]:
            super().submit(other, shard)


def test_a_shard_delivered_twice_counts_once(tmp_path, ray_session, tiny_digest, monkeypatch):
    out = tmp_path / "d"
    monkeypatch.setattr("datagen.cluster.pool.RayPool", Twice)
    run(load("tiny", SMALL), str(out), actors=2)
    assert verify(str(out)).digest == tiny_digest
    made = [record.shard for file in read_status(open_store(str(out))) for record in file.shards]
    assert sorted(made) == list(range(12)), "each shard is counted once"


def test_actors_that_no_node_can_hold_are_said_to_wait(ray_session, monkeypatch):
    monkeypatch.setattr("datagen.cluster.pool._WAITING", 0.0)
    pool = RayPool("", "", {}, limit=1, memory=10**15, grows=False, actor=IdleActor)
    try:
        pool.demand(1)
        (outcome,) = pool.wait(0.1)
        assert outcome.kind == "waiting"
        assert "an actor needs a core and 1000000.00 GB; of 1 nodes 0 have that at all, free are" in outcome.message
    finally:
        pool.close()
