"""Whatever is asked, no 500: every route of the API with made-up arguments, against a real server."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

from . import examples

schemathesis = pytest.importorskip("schemathesis")

LEFT_OUT = ("/api/v1/events", "/api/v1/worlds/{family}")
"""The event stream never ends and a world costs seconds; test_worlds asks for worlds."""


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_no_500_whatever_is_asked(serve: Callable[..., str], tmp_path: Path) -> None:
    examples.dataset(tmp_path / "data" / "tiny")
    examples.run(tmp_path / "runs" / "first", steps=50)
    base = serve(tmp_path / "data", tmp_path / "runs")
    with httpx.Client(timeout=30) as client:
        known = {
            "dataset": client.get(f"{base}/api/v1/overview").json()["datasets"][0]["id"],
            "run": client.get(f"{base}/api/v1/overview").json()["runs"][0]["id"],
        }
        schema = schemathesis.openapi.from_dict(client.get(f"{base}/api/v1/openapi.json").json())
        seen: dict[str, set[int]] = {}
        for found in schema.get_all_operations():
            operation = found.ok()
            if operation.path not in LEFT_OUT and operation.method.upper() == "GET":
                seen[operation.path] = _ask(client, base, operation, known)
    assert len(seen) >= 12
    assert 200 in seen["/api/v1/runs/{run}/metrics"]
    assert 404 in seen["/api/v1/datasets/{dataset}"]


def _ask(client: httpx.Client, base: str, operation: Any, known: dict[str, str]) -> set[int]:
    statuses = set()

    @settings(max_examples=30, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        for path in ({}, {name: value for name, value in known.items() if name in (case.path_parameters or {})}):
            case.path_parameters = {**(case.path_parameters or {}), **path}
            asked = case.as_transport_kwargs(base_url=base)
            answer = client.request(asked["method"], asked["url"], params=asked.get("params"), follow_redirects=False)
            statuses.add(answer.status_code)
            assert answer.status_code < 500, (asked["url"], answer.text)

    ask()
    return statuses
