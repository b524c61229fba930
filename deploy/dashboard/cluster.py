"""Ray's own view of its cluster, over the HTTP API of its dashboard: nodes, resources and actors."""

import json
import os
import time
import urllib.error
import urllib.request
from pathlib import Path
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
        except urllib.error.HTTPError as error:
            hint = "; give it the cluster's token in RAY_AUTH_TOKEN" if error.code in (401, 403) else ""
            return Cluster(address=self._address, reachable=False, detail=f"Ray answers {error.code} there{hint}")
        except (OSError, ValueError, KeyError, TypeError) as error:
            return Cluster(address=self._address, reachable=False, detail=f"Ray does not answer there: {error}")
        return Cluster(address=self._address, reachable=True, detail="ok", nodes=tuple(nodes), actors=tuple(actors))

    def _rows(self, what: str) -> list[dict[str, Any]]:
        url = f"{self._address}/api/v0/{what}?limit={SHOWN}&detail=True"
        token = ray_token()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT) as answer:
            told = json.loads(answer.read(LARGEST))
        rows = told["data"]["result"]["result"]
        return [row for row in rows if isinstance(row, dict)]


def ray_token() -> str | None:
    """Return Ray's token where Ray itself looks for it, unless RAY_AUTH_MODE says that there is none."""
    if os.environ.get("RAY_AUTH_MODE", "token") == "disabled":
        return None
    told = os.environ.get("RAY_AUTH_TOKEN")
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    try:
        return told or file.read_text().strip() or None
    except (OSError, ValueError):
        return None


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
