"""The service follows its cluster: drained nodes are left, an autoscaler adds nodes for it and takes idle ones back."""

import json
import subprocess
import time

import pytest

from common.dataset import open_dataset
from tests.faults.heads import RAY, Head, wait_until
from tests.faults.ray_runs import FAULTS, NOTICE, STORE, Run, events, files

pytestmark = pytest.mark.slow


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


def test_an_autoscaler_adds_nodes_for_the_run_and_takes_them_back(tmp_path):
    head = Head(cores=0, environment={"AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_FAKE_CLUSTER": "1"})
    kinds = {
        "worker": {
            "resources": {"CPU": 1, "memory": 2_000_000_000},
            "node_config": {},
            "min_workers": 0,
            "max_workers": 2,
        },
        "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
    }
    config = {
        "cluster_name": "fake",
        "max_workers": 2,
        "idle_timeout_minutes": 0.1,
        "upscaling_speed": 1000,
        "provider": {"type": "fake_multinode"},
        "available_node_types": kinds,
        "head_node_type": "ray.head.default",
        **{key: {} for key in ("file_mounts", "auth", "docker")},
        **{
            key: []
            for key in (
                "cluster_synced_files",
                "file_mounts_sync_continuously",
                "rsync_exclude",
                "rsync_filter",
                "initialization_commands",
                "setup_commands",
                "head_setup_commands",
                "worker_setup_commands",
                "head_start_ray_commands",
                "worker_start_ray_commands",
            )
        },
    }
    (tmp_path / "autoscaling.yaml").write_text(json.dumps(config))
    head.options = [f"--autoscaling-config={tmp_path / 'autoscaling.yaml'}"]
    head.start()
    try:
        wait_until(lambda: alive(head) == 1, 60, "the head has no node of its own")
        run = Run(tmp_path / "d", head.address, overrides=FAULTS)
        run.wait_for(lambda: len(events(run.out, "joined")) >= 1, "an actor on a node that was not there", 120.0)
        run.end()
        assert len({file.node for file in files(run.out) if file.kind == "actor" and file.shards}) >= 1
        wait_until(lambda: alive(head) == 1, 120, "idle nodes were never taken back")
        dataset = open_dataset(str(run.out))
        assert dataset.committed() == set(range(dataset.n_shards))
    finally:
        head.close()


def alive(head):
    """Return the number of nodes of a cluster, without joining it."""
    from ray._private.state import GlobalState
    from ray._raylet import GcsClientOptions
    from ray.exceptions import RaySystemError

    state = GlobalState()
    options = GcsClientOptions.create(head.address, None, allow_cluster_id_nil=True, fetch_cluster_id_if_nil=False)
    state._initialize_global_state(options)
    try:
        return sum(node["Alive"] for node in state.node_table())
    except RaySystemError:
        return -1  # it did not answer in time
