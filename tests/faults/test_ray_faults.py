"""Actors, nodes and drivers that die or freeze on real Ray processes: the data end complete and the same."""

import contextlib
import json
import os
import signal
import threading
import time

import pytest

from common.dataset import open_dataset
from common.dataset.status import read_holes
from common.dataset.store import open_store
from tests.conftest import CHECKOUT
from tests.faults.ray_runs import (
    NOTICE,
    SHARDS,
    STORE,
    Run,
    Undisturbed,
    actors,
    check,
    committed,
    events,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster():
    """A head without cores and two nodes of one core."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False, "_system_config": NOTICE}
    made = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        made.add_node(num_cpus=1, object_store_memory=STORE)
    yield made
    made.shutdown()


@pytest.fixture(scope="module")
def undisturbed(cluster, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "d"
    seconds = Run(out, cluster.address).end()
    return Undisturbed(open_dataset(str(out)).digest(), seconds)


def test_actors_killed_again_and_again(tmp_path, cluster, undisturbed):
    """One every 15 s, and on a machine so fast that this would be seldom, one every 12 shards."""
    run = Run(tmp_path / "d", cluster.address)
    killed = []
    run.until(3)
    while run.process.poll() is None and len(committed(run.out)) < SHARDS - 4:
        begin, made = time.monotonic(), len(committed(run.out))
        run.wait_for(lambda: set(actors(run.out)) - set(killed), "an actor")
        killed.append(next(number for number in actors(run.out) if number not in killed))
        os.kill(killed[-1], signal.SIGKILL)
        while run.process.poll() is None and time.monotonic() - begin < 15.0 and len(committed(run.out)) < made + 12:
            time.sleep(0.05)
    check(run.out, undisturbed, run.end())
    lost = [event for event in events(run.out, "lost") if event.cause == "process died"]
    assert len(lost) == len(killed) >= 3
    assert all(event.shard is not None or "before it was ready" in event.message for event in lost)
    assert "process died" in run.text()


def test_a_node_that_dies_and_one_that_joins(tmp_path, cluster, undisturbed):
    victim = cluster.add_node(num_cpus=1, object_store_memory=STORE)
    run = Run(tmp_path / "d", cluster.address)
    run.until(3)
    run.wait_for(lambda: len(events(run.out, "joined")) >= 3, "three actors")
    threading.Thread(target=cluster.remove_node, args=(victim, False), daemon=True).start()
    killed = time.time()
    run.wait_for(lambda: any(e.cause == "node lost" for e in events(run.out, "lost")), "the loss", 60.0)
    noticed = events(run.out, "lost")[0].time - killed
    before = len(events(run.out, "joined"))
    cluster.add_node(num_cpus=1, object_store_memory=STORE)
    joined = time.time()
    try:
        run.wait_for(lambda: len(events(run.out, "joined")) > before, "an actor on the new node", 25.0)
        assert time.time() - joined < 20.0, "a node that joins is used within 20 s"
    finally:
        seconds = run.end()
    check(run.out, undisturbed, seconds, extra=noticed)
    assert noticed < 15.0
    assert max(map(len, run.text().splitlines())) < 300 and "state-dump" not in run.text(), "a dead node buries no line"


def test_the_driver_killed_and_given_again(tmp_path, cluster, undisturbed):
    first = Run(tmp_path / "d", cluster.address)
    first.until(6)
    first.process.kill()
    first.process.wait()
    lost = time.monotonic() - first.begin
    assert len(committed(first.out)) < SHARDS
    again = Run(tmp_path / "d", cluster.address)
    seconds = again.end()
    assert "taken over from `run`" in again.text() and "are committed already" in again.text()
    check(again.out, undisturbed, lost + seconds, extra=undisturbed.seconds)  # a driver's start is the restart here
    deadline = time.monotonic() + 20.0
    while actors(first.out) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not actors(first.out), "a driver's actors die with it"


def test_an_actor_frozen_for_longer_than_its_lease(tmp_path, cluster, undisturbed):
    run = Run(tmp_path / "d", cluster.address, "--lease", "4")
    run.until(4)
    frozen = actors(run.out)[0]
    os.kill(frozen, signal.SIGSTOP)
    try:
        run.wait_for(lambda: any(e.cause == "lease over" for e in events(run.out, "lost")), "the lease's end", 60.0)
    finally:
        wake(frozen)
    check(run.out, undisturbed, run.end(), extra=6.0)
    assert len([event for event in events(run.out, "lost") if event.cause == "lease over"]) >= 1


def wake(number):
    with contextlib.suppress(ProcessLookupError):  # the driver ended it
        os.kill(number, signal.SIGCONT)


def disturbed(folder, code):
    """Return the environment of a driver whose actors run ``code``, which knows ``shard``, in front of every one."""
    lines = [
        "import sys",
        f"sys.path.insert(0, {str(CHECKOUT)!r})",
        "import datagen.work as work",
        "made = work._generate",
        "def disturbed(recipe, first, count):",
        "    shard = first // count",
        *(f"    {line}" for line in code),
        "    return made(recipe, first, count)",
        "work._generate = disturbed",
    ]
    (folder / "sitecustomize.py").write_text("\n".join(lines))
    job = {"runtime_env": {"env_vars": {"PYTHONPATH": str(folder)}}}  # as `ray job submit --runtime-env-json` has it
    return {"RAY_JOB_CONFIG_JSON_ENV_VAR": json.dumps(job)}


def test_an_actor_out_of_memory_is_replaced(tmp_path, cluster, undisturbed):
    code = [
        f"import os, resource; mark = {str(tmp_path / 'mark')!r}",
        "if shard == 7 and not os.path.exists(mark):",
        "    open(mark, 'w').close()",
        "    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30)); hog = bytearray(64 << 30)",
    ]
    run = Run(tmp_path / "d", cluster.address, environment=disturbed(tmp_path, code))
    check(
        run.out, undisturbed, run.end(), extra=undisturbed.seconds
    )  # actors start slower in an environment of their own
    (lost,) = [event for event in events(run.out, "lost") if "before it was ready" not in event.message]
    assert lost.cause == "out of memory" and lost.shard == 7 and "MemoryError" in lost.message


def test_two_drivers_forced_at_once(tmp_path, cluster, undisturbed):
    first = Run(tmp_path / "d", cluster.address)
    first.until(3)
    second = Run(tmp_path / "d", cluster.address, "--takeover")
    seconds = max(second.end(), first.end())
    check(first.out, undisturbed, seconds, extra=undisturbed.seconds)
    assert "taken over by `run`" in first.text()


def test_a_shard_whose_code_raises_is_set_aside_and_named(tmp_path, cluster, undisturbed):
    out = tmp_path / "d"
    code = ["if shard == 5: raise ZeroDivisionError('raised on purpose in shard 5')"]
    run = Run(out, cluster.address, environment=disturbed(tmp_path, code))
    run.end(code=1)
    text = run.text()
    assert "shards 5 of" in text and "raised on purpose in shard 5" in text and "Traceback" in text
    assert len(committed(out)) == SHARDS - 1
    assert [event.kind for event in events(out, "failed", "set-aside")] == ["failed"] * 4 + ["set-aside"]
    assert set(read_holes(open_store(str(out)))) == {5} and read_holes(open_store(str(out)))[5].attempts == 5
    again = Run(out, cluster.address)
    again.end()
    assert open_dataset(str(out)).digest() == undisturbed.digest and read_holes(open_store(str(out))) == {}
