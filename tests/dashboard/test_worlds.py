"""Worlds and recorded sequences drawn apart from the server, the cluster's view, the paper's column."""

import http.server
import json
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from deploy.dashboard.cluster import RayState
from deploy.dashboard.paper import PAPER
from trainer.evaluation.report.paper import PAPER as WHOLE

from . import examples

Serve = Callable[..., str]


def test_a_world_by_its_seed_and_a_recorded_sequence(serve: Serve, tmp_path: Path) -> None:
    examples.dataset(tmp_path / "data" / "tiny")
    (tmp_path / "runs").mkdir()
    base = serve(tmp_path / "data", tmp_path / "runs")
    with httpx.Client(base_url=f"{base}/api/v1", timeout=150) as client:
        world = client.get("/worlds/anymdp?seed=18446744073709551615&states=12&actions=4").json()
        assert (world["seed"], world["states"], world["actions"]) == ("18446744073709551615", 12, 4)
        live = [s for s in range(12) if s not in world["terminal"]]
        assert all(sum(world["transition"][s]) == pytest.approx(1, abs=1e-3) for s in live)
        assert world["roles"]["start"]
        key = client.get("/overview").json()["datasets"][0]["id"]
        told = client.get(f"/datasets/{key}/sequences/5").json()
        assert (told["sequence"], told["shard"], told["family"]) == (5, 1, "anymdp")
        assert told["behaviours"] == [[0, "random"], [12, "q-learning"]]
        assert sum(sum(part["tags"]) for part in told["acted"]) == examples.LENGTH
        assert told["rewards"][-1][0] == examples.LENGTH
        for path, word in (
            (f"/datasets/{key}/sequences/99", "sequences 0..23"),
            (f"/datasets/{key}/sequences/20", "shard"),
            ("/worlds/chess", "unknown family"),
        ):
            answer = client.get(path)
            assert answer.status_code in (404, 409)
            assert word in answer.json()["detail"]


def test_metrics_as_csv_and_positions_over_time(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    examples.run(tmp_path / "runs" / "first")
    base = f"{serve(tmp_path / 'data', tmp_path / 'runs')}/api/v1"
    key = httpx.get(f"{base}/overview").json()["runs"][0]["id"]
    answer = httpx.get(f"{base}/runs/{key}/metrics.csv?set=unseen&points=10")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    lines = answer.text.splitlines()
    assert lines[0].startswith("step,")
    assert [line.split(",")[0] for line in lines[1:]] == ["100.0", "200.0", "300.0", "400.0"]
    assert httpx.get(f"{base}/runs/{key}/metrics.csv?set=none").status_code == 404
    assert httpx.get(f"{base}/runs/{key}/positions").json()["unseen"]["step"] == [100, 200, 300, 400]


def test_the_papers_column_is_the_evaluations() -> None:
    assert {task: figures[2] for task, figures in WHOLE.items()} == PAPER


def test_rays_view_and_its_absence() -> None:
    node = {
        "node_id": "n1",
        "node_ip": "10.0.0.1",
        "state": "ALIVE",
        "is_head_node": True,
        "resources_total": {"CPU": 4},
    }
    actor = {"actor_id": "a1", "class_name": "Actor", "state": "DEAD", "node_id": "n1", "death_cause": {"oom": {}}}

    class Ray(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            rows = [node] if "/nodes" in self.path else [actor]
            body = json.dumps({"result": True, "data": {"result": {"result": rows}}}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Ray)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told = RayState(f"http://127.0.0.1:{server.server_port}").answer()
    server.shutdown()
    server.server_close()
    assert (told.reachable, told.nodes[0].resources, told.actors[0].cause) == (True, {"CPU": 4.0}, '{"oom": {}}')
    gone = RayState(f"http://127.0.0.1:{server.server_port}").answer()
    assert not gone.reachable
    assert "does not answer" in gone.detail
    assert "--ray" in RayState(None).answer().detail
