"""An agent over HTTP: the same actions as in the process, limits, tokens, and nothing a caller sends breaks it."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainer.agent import Agent, AgentSettings
from trainer.checkpoints import export_model
from trainer.model import Model, ModelConfig
from trainer.serve import Limits, Sessions, create_app
from trainer.serve.__main__ import main


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(ModelConfig(vocabulary=8, actions=3, width=32, layers=1))


_RUNNING: list[tuple[uvicorn.Server, threading.Thread, httpx.Client]] = []


@pytest.fixture(autouse=True, scope="module")
def _stopped() -> Iterator[None]:
    """End all servers."""
    yield
    for server, _, http in _RUNNING:
        http.close()
        server.should_exit = True
    for _, thread, _ in _RUNNING:
        thread.join(20)
        assert not thread.is_alive()


def client(model: Model, token: str | None = None, clock: Clock | None = None, **limits: Any) -> httpx.Client:
    """A caller of a server of its own."""
    sessions = Sessions(model, Limits(**limits), clock=clock or Clock())
    config = uvicorn.Config(create_app(sessions, token), log_level="critical", timeout_graceful_shutdown=1)
    listening, server = socket.create_server(("127.0.0.1", 0)), uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    http = httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=30)
    _RUNNING.append((server, thread, http))
    return http


def begun(http: httpx.Client, **how: Any) -> str:
    return "/sessions/" + http.post("/sessions", json={"settings": how}).json()["session"]


def test_a_session_acts_as_the_agent_does(model: Model) -> None:
    http, agent = client(model), Agent(model, AgentSettings(seed=3))
    at = begun(http, seed=3)
    assert http.post(f"{at}/reset", json={"n": 2, "n_actions": [2, 3]}).status_code == 200
    agent.reset(2, np.array([2, 3]))
    shown = {"observation": [[1, 2], [3, 0]], "action": [[0, 0], [1, 1]], "reward": [[1.0, 0.0], [0.5, 2.0]]}
    shown |= {"tag": [[3, 8], [6, 6]], "lengths": [2, 1]}
    assert http.post(f"{at}/prefill", json=shown).json() == {"read": True}
    agent.prefill(**{name: np.array(values) for name, values in shown.items()})
    for t in range(12):
        seen, ends = [t % 8, 7 - t % 8], [t % 5 == 4, False]
        action = http.post(f"{at}/act", json={"observation": seen}).json()["action"]
        assert action == agent.act(np.array(seen)).tolist()
        told = {"next_observation": seen, "reward": [0.5, -1.0], "terminated": ends, "truncated": [False, t == 7]}
        assert http.post(f"{at}/observe", json=told).status_code == 200
        agent.observe(*(np.array(values) for values in told.values()))
    kept = http.post(f"{at}/memory").json()
    first = http.post(f"{at}/act", json={"observation": [1, 1]}).json()
    assert http.post(f"{at}/restore", json=kept).status_code == 200
    assert http.post(f"{at}/act", json={"observation": [1, 1]}).json() == first


def test_sessions_are_apart_end_and_expire(model: Model) -> None:
    clock = Clock()
    http = client(model, clock=clock, sessions=2, idle_seconds=10)
    one, two = begun(http), begun(http)
    assert one != two
    refused = http.post("/sessions", json={})
    assert refused.status_code == 429 and "2 sessions" in refused.json()["detail"]
    assert http.delete(one).status_code == 200
    assert http.delete(one).status_code == 404
    three = begun(http)
    clock.now = 9.0
    http.post(f"{three}/reset", json={"n": 1, "n_actions": 2})
    clock.now = 15.0
    assert http.get("/healthz").json()["sessions"] == 1
    assert http.post(f"{two}/reset", json={"n": 1, "n_actions": 2}).status_code == 404
    assert http.post(f"{three}/act", json={"observation": [0]}).status_code == 200


def test_sizes_are_limited(model: Model) -> None:
    http = client(model, sequences=2, rows=4, bytes=1024, memories=1)
    at = begun(http)
    assert "at most 2 sequences" in http.post(f"{at}/reset", json={"n": 3, "n_actions": 2}).json()["detail"]
    assert http.post(f"{at}/act", json={"observation": [0]}).status_code == 400
    http.post(f"{at}/reset", json={"n": 1, "n_actions": 2})
    long = {name: [[0] * 5] for name in ("observation", "action", "tag")} | {"reward": [[0.0] * 5]}
    assert "at most 4 rows" in http.post(f"{at}/prefill", json=long).json()["detail"]
    assert http.post(f"{at}/act", content=b" " * 2000).status_code == 413
    assert http.post(f"{at}/act", content=iter([b" " * 700, b" " * 700])).status_code == 413
    assert http.post(f"{at}/memory").status_code == 200
    assert http.post(f"{at}/memory").status_code == 429


def test_a_token_is_asked_for_and_other_hosts_are_refused(model: Model) -> None:
    http = client(model, token="correct-horse-battery")
    assert http.get("/healthz").status_code == 200
    assert http.post("/sessions", json={}).status_code == 401
    wrong = {"Authorization": "Bearer correct-horse-batterx"}
    assert http.post("/sessions", json={}, headers=wrong).status_code == 401
    right = {"Authorization": "Bearer correct-horse-battery"}
    assert http.post("/sessions", json={}, headers=right).status_code == 201
    assert client(model).post("/sessions", json={}, headers={"Host": "evil.example"}).status_code == 421


def test_binding_beyond_loopback_needs_a_token(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OMNIRL_SERVE_TOKEN", raising=False)
    assert main(["--agent", str(tmp_path / "none"), "--host", "0.0.0.0"]) == 2
    assert "needs a token" in capsys.readouterr().err
    monkeypatch.setenv("OMNIRL_SERVE_TOKEN", "short")
    assert main(["--agent", str(tmp_path / "none")]) == 2
    assert "at least 16 characters" in capsys.readouterr().err


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
near = st.integers(-2, 9) | st.lists(st.integers(-1, 9) | st.booleans() | st.floats(), max_size=3)
near |= st.lists(st.lists(st.integers(-1, 9), max_size=3), max_size=3) | st.integers(2**62, 2**70) | values
FUZZED: list[httpx.Client] = []
VERBS = {
    "reset": ("n", "n_actions"),
    "act": ("observation",),
    "observe": ("next_observation", "reward", "terminated", "truncated"),
    "prefill": ("observation", "action", "reward", "tag", "lengths"),
    "restore": ("memory",),
}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_nothing_a_caller_sends_breaks_it(model: Model, data: st.DataObject) -> None:
    if not FUZZED:
        FUZZED.append(client(model, sequences=4))
    http = FUZZED[0]
    at = begun(http)
    http.post(f"{at}/reset", json={"n": 2, "n_actions": 2})
    for _ in range(4):
        verb = data.draw(st.sampled_from(sorted(VERBS)))
        body = data.draw(st.fixed_dictionaries(dict.fromkeys(VERBS[verb], near)) | values)
        answer = http.post(f"{at}/{verb}", content=json.dumps(body).encode())
        assert answer.status_code in (200, 400, 404, 422), answer.text
    assert http.post(f"{at}/reset", json={"n": 1, "n_actions": 2}).status_code == 200
    assert http.post(f"{at}/act", json={"observation": [0]}).status_code == 200
    http.delete(at)


def test_the_command_serves_a_file(model: Model, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    export_model(model, file, {})
    command = [sys.executable, "-m", "trainer.serve", "--agent", str(file), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[1]
            assert httpx.get(f"{address}/healthz", timeout=30).json()["model"]["actions"] == 3
            name = httpx.post(f"{address}/sessions", json={}, timeout=30).json()["session"]
            body = {"n": 1, "n_actions": 3}
            assert httpx.post(f"{address}/sessions/{name}/reset", json=body, timeout=30).status_code == 200
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)
