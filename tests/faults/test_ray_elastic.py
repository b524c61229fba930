"""The service follows its cluster: drained nodes are left, and an autoscaler is asked for what it can use."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from common.dataset import open_dataset
from tests.faults.heads import RAY, Head
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


def test_an_autoscaler_is_asked_for_the_nodes_that_the_run_can_use(tmp_path):
    """It decides to launch them; Ray's pretended cloud cannot start nodes that have memory, so here it ends."""
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
        run = Run(tmp_path / "d", head.address, overrides=FAULTS)
        log = Path(head.folder) / "session_latest/logs/monitor.log"
        try:
            run.wait_for(lambda: "Got 2 nodes to launch" in log.read_text(), "the autoscaler's decision", 120.0)
        finally:
            run.process.kill()
            run.process.wait()
    finally:
        head.close()
