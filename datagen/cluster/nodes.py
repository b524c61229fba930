"""What the cluster is at this moment: its cores, its nodes that go, and why an actor was lost."""

from typing import Any

import ray
from ray._private.worker import global_worker
from ray.exceptions import ActorDiedError, ActorUnavailableError, OutOfMemoryError, RayError, RpcError

from datagen.drive import NODE_LOST, ClusterLost

_PATIENCE = 10.0
"""Seconds the head may take to answer."""


def cores(going: set[str]) -> int:
    """Return the cores of the whole cluster, those of nodes that go left out; at least 1."""
    total = ray.cluster_resources().get("CPU", 1.0)
    for node in ray.nodes() if going else ():
        if node["Alive"] and node["NodeID"] in going:
            total -= node["Resources"].get("CPU", 0.0)
    return max(1, int(total))


def room(memory: int) -> str:
    """Return in words what an actor needs and what the cluster has: why none may be ready."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    fitting = [node for node in nodes if node.get("CPU", 0.0) >= 1.0 and node.get("memory", 0.0) >= memory]
    free = ray.available_resources()
    what = (
        f"an actor needs a core and {memory / 1e9:.2f} GB; of {len(nodes)} nodes {len(fitting)} have that at all, free "
        f"are {free.get('CPU', 0.0):.0f} cores and {free.get('memory', 0.0) / 1e9:.1f} GB"
    )
    return what if fitting else f"{what}: waiting for a node that does"


def draining() -> set[str]:
    """Return the nodes, as hexadecimal numbers, that were told to go.

    Raises:
        ClusterLost: The cluster's head does not answer.
    """
    ours: Any = global_worker
    try:
        return set(ours.gcs_client.get_draining_nodes(timeout=_PATIENCE))
    except RpcError as error:
        raise ClusterLost(
            f"the Ray cluster's head does not answer ({error}); when it is back, the same command again goes on"
        ) from error


def cause_of(error: RayError) -> str:
    """Return why an actor was lost, in a few words that can be counted."""
    text = str(error)
    if isinstance(error, OutOfMemoryError) or "memory pressure" in text or "low on memory" in text:
        return "out of memory"
    if isinstance(error, ActorDiedError) and ("node has died" in text or "node was" in text):
        return NODE_LOST
    if isinstance(error, ActorUnavailableError):
        return "unreachable"
    return "process died"
