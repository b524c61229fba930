"""The service follows its cluster: drained nodes are left, and an autoscaler starts and ends nodes with the work."""

import json
import subprocess
import time
from pathlib import Path

import pytest
from ray._raylet import GcsClient
from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID

from common.dataset import open_dataset
from tests.conftest import CHECKOUT
from tests.faults.cloud import autoscaling
from tests.faults.heads import RAY, Head, wait_until
from tests.faults.ray_runs import FAULTS, NOTICE, SHARDS, STORE, Run, events, files

pytestmark = pytest.mark.slow
IDLE = 5.0
"""Seconds without work after which the autoscaler ends a node."""
FEW = (f"sequences={6 * 2304}", *FAULTS[1:])
ALIVE = 0
"""Of Ray's states of a node."""


def test_a_drained_node_is_left_and_its_shards_are_made(tmp_path):
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False, "_system_config": NOTICE}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        nodes = [cluster.add_node(num_cpus=1, object_store_memory=STORE) for _ in range(2)]
        run = Run(tmp_path / "d", cluster.address)
        run.wait_for(lambda: len(events(run.out, "joined")) >= 2, "two actors")
        run.until(4)
        command = [RAY, "drain-node", "--address", cluster.address, "--node-id", nodes[0].node_id]
        command += ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "a test"]
        command += ["--deadline-remaining-seconds", "120"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        drained = time.time()
        run.wait_for(lambda: events(run.out, "leaving"), "word of it", 30.0)
        run.end()
        (leaving,) = events(run.out, "leaving")
        assert leaving.time - drained < 20.0 and leaving.cause == "drained"
        made = [record.time for file in files(run.out) if file.node == nodes[0].node_id for record in file.shards]
        assert made and max(made) < leaving.time + 20.0, "it ended what it had, and got no more"
        assert not events(run.out, "failed", "set-aside")
        dataset = open_dataset(str(run.out))
        assert dataset.committed() == set(range(dataset.n_shards))
    finally:
        cluster.shutdown()


def autoscaled(folder: Path, *, newer: bool) -> Head:
    """Return a head without cores whose autoscaler may start two nodes of one core on this machine."""
    environment = {"AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_FAKE_CLUSTER": "1", "PYTHONPATH": str(CHECKOUT)}
    if newer:
        names = ("RAY_CLOUD_INSTANCE_ID", "RAY_OVERRIDE_NODE_ID_FOR_TESTING")
        environment |= {"RAY_enable_autoscaler_v2": "1", **dict.fromkeys(names, FAKE_HEAD_NODE_ID)}
    head = Head(cores=0, environment=environment, address="127.0.0.1")
    (folder / "autoscaling.json").write_text(json.dumps(autoscaling(f"127.0.0.1:{head.ports[0]}", 2, IDLE)))
    head.options = [f"--autoscaling-config={folder / 'autoscaling.json'}"]
    return head


def workers(head: Head) -> int:
    """Return how many nodes there are beside the head, by the head's own books."""
    nodes = GcsClient(address=head.address).get_all_node_info(timeout=30).values()
    return sum(node.state == ALIVE for node in nodes) - 1


@pytest.mark.parametrize("newer", [False, True], ids=["autoscaler v1", "autoscaler v2"])
def test_an_autoscaler_starts_the_nodes_that_a_run_can_use_and_ends_them_after_it(tmp_path, newer):
    """The launcher's file uses the older autoscaler of Ray, KubeRay the newer."""
    head = autoscaled(tmp_path, newer=newer)
    head.start()
    try:
        assert workers(head) == 0
        one = Run(tmp_path / "one", head.address, "--actors", "1", overrides=FEW)
        most = 0
        while one.process.poll() is None:
            most = max(most, workers(head))
            time.sleep(0.5)
        one.end()
        assert most == 1, "a run that is told to have one actor wants one node"
        run = Run(tmp_path / "d", head.address)
        run.wait_for(lambda: len({file.node for file in files(run.out) if file.node}) == 2, "two nodes at work", 180.0)
        assert workers(head) == 2, "there may be two, whatever is asked for"
        run.end()
        made = {file.node for file in files(run.out) if file.shards and file.node}
        assert len(made) == 2, "both nodes made shards"
        wait_until(lambda: workers(head) == 0, IDLE + 120.0, "nodes without work were kept")
        assert open_dataset(str(run.out)).committed() == set(range(SHARDS))
        assert not events(run.out, "failed", "set-aside")
    finally:
        head.close()
