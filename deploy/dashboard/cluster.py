"""Ray's own view of its cluster, over the HTTP API of its dashboard: nodes, resources and actors."""

import json
import time
import urllib.error
import urllib.request
from threading import Lock
from typing import Any

from deploy.dashboard.views import Actor, Cluster, Node

FRESH = 3.0
TIMEOUT = 2.0
LARGEST = 8 << 20
SHOWN = 500


class RayState:
    """Asks Ray at most once in ``FRESH`` seconds."""

    def __init__(self, address: str | None) -> None:
        """Ask at ``address`` (http://host:8265); None: there is nobody to ask."""
        self._address = address.rstrip("/") if address else None
        self._lock = Lock()
        self._answer: Cluster | None = None
        self._asked = 0.0

    def answer(self) -> Cluster:
        """Return nodes and actors, or why there are none."""
        with self._lock:
            if self._answer is None or time.monotonic() - self._asked > FRESH:
                self._answer = self._ask()
                self._asked = time.monotonic()
            return self._answer

    def _ask(self) -> Cluster:
        if self._address is None:
            return Cluster(address=None, reachable=False, detail="no address was given; start it with --ray URL")
        try:
            nodes = [_node(part) for part in self._rows("nodes")]
            actors = [_actor(part) for part in self._rows("actors")]
        except (OSError, ValueError, KeyError, TypeError) as error:
            return Cluster(address=self._address, reachable=False, detail=f"Ray does not answer there: {error}")
        return Cluster(address=self._address, reachable=True, detail="ok", nodes=tuple(nodes), actors=tuple(actors))

    def _rows(self, what: str) -> list[dict[str, Any]]:
        url = f"{self._address}/api/v0/{what}?limit={SHOWN}&detail=True"
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            told = json.loads(answer.read(LARGEST))
        rows = told["data"]["result"]["result"]
        return [row for row in rows if isinstance(row, dict)]


def _node(row: dict[str, Any]) -> Node:
    resources = row.get("resources_total")
    return Node(
        id=str(row.get("node_id", "")),
        address=str(row.get("node_ip", "")),
        state=str(row.get("state", "")),
        head=bool(row.get("is_head_node")),
        resources={str(k): float(v) for k, v in resources.items()} if isinstance(resources, dict) else {},
    )


def _actor(row: dict[str, Any]) -> Actor:
    cause = row.get("death_cause")
    return Actor(
        id=str(row.get("actor_id", "")),
        kind=str(row.get("class_name", "")),
        state=str(row.get("state", "")),
        node=str(row.get("node_id") or ""),
        pid=row["pid"] if isinstance(row.get("pid"), int) else None,
        cause=json.dumps(cause)[:500] if cause else None,
    )
