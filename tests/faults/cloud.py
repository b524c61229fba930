"""A cloud on this machine: the nodes that Ray's autoscaler asks it for are processes of ``ray start``, with memory."""

import os
import subprocess
from pathlib import Path
from typing import Any

from ray.autoscaler._private.fake_multi_node.node_provider import FakeMultiNodeProvider
from ray.autoscaler.tags import (
    NODE_KIND_WORKER,
    STATUS_UP_TO_DATE,
    TAG_RAY_NODE_KIND,
    TAG_RAY_NODE_NAME,
    TAG_RAY_NODE_STATUS,
    TAG_RAY_USER_NODE_TYPE,
)

from tests.faults.heads import RAY, wait_until

KIND = "worker"


class Cloud(FakeMultiNodeProvider):
    """Ray's pretended provider, which keeps the books; its own way of starting nodes knows none with memory."""

    def _create_node_with_resources_and_labels(
        self, node_config: Any, tags: dict[str, str], count: int, resources: dict[str, float], labels: Any
    ) -> None:
        with self.lock:
            number = self._next_hex_node_id()
            names = {"RAY_OVERRIDE_NODE_ID_FOR_TESTING": number, "RAY_CLOUD_INSTANCE_ID": number}
            command = [RAY, "start", "--block", f"--address={self._gcs_address}", "--node-ip-address=127.0.0.1"]
            command += [f"--num-cpus={int(resources['CPU'])}", f"--memory={int(resources['memory'])}"]
            command += ["--object-store-memory=80000000", "--disable-usage-stats"]
            environment = {**os.environ, **names, "RAY_NODE_TYPE_NAME": tags[TAG_RAY_USER_NODE_TYPE]}
            before = _sockets()
            node = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_until(lambda: _sockets() - before, 120, "the node never listened")  # two at once would choose one name
            own = {TAG_RAY_NODE_KIND: NODE_KIND_WORKER, TAG_RAY_USER_NODE_TYPE: KIND, TAG_RAY_NODE_NAME: number}
            self._nodes[number] = {"tags": {**own, TAG_RAY_NODE_STATUS: STATUS_UP_TO_DATE, **tags}, "node": node}

    def _terminate_node(self, node: dict[str, Any]) -> None:
        node["node"].terminate()


def _sockets() -> set[Path]:
    return set(Path(os.environ["OUR_HEAD"], "session_latest/sockets").glob("raylet*"))


def autoscaling(address: str, most: int, idle_seconds: float) -> dict[str, Any]:
    """Return the file of ``ray start --autoscaling-config``: up to ``most`` nodes of one core and 2 GB."""
    kinds = {
        KIND: {
            "resources": {"CPU": 1, "memory": 2_000_000_000},
            "node_config": {},
            "min_workers": 0,
            "max_workers": most,
        },
        "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
    }
    lists = (
        "cluster_synced_files",
        "rsync_exclude",
        "rsync_filter",
        "initialization_commands",
        "setup_commands",
        "head_setup_commands",
        "worker_setup_commands",
        "head_start_ray_commands",
        "worker_start_ray_commands",
    )
    return {
        "cluster_name": "local",
        "max_workers": most,
        "idle_timeout_minutes": idle_seconds / 60.0,
        "upscaling_speed": 1000,
        "provider": {
            "type": "external",
            "module": "tests.faults.cloud.Cloud",
            "gcs_address": address,
            "use_node_id_as_ip": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
            "launch_multiple": True,
        },
        "available_node_types": kinds,
        "head_node_type": "ray.head.default",
        "file_mounts_sync_continuously": False,
        **{key: {} for key in ("file_mounts", "auth", "docker")},
        **{key: [] for key in lists},
    }
