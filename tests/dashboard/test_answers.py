"""Answers are made once, packed for those who can unpack and not sent twice; curves grow as if drawn anew."""

import gzip
from collections.abc import Callable
from pathlib import Path

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.dashboard.columns import Columns
from deploy.dashboard.positions import MOMENTS_KEPT, Moments
from deploy.dashboard.runs import RunSource

from . import examples


def test_an_answer_is_packed_and_not_sent_again(serve: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    examples.run(tmp_path / "runs" / "first")
    base = serve(tmp_path / "data", tmp_path / "runs")
    with httpx.Client(base_url=base) as client:
        run = client.get("/api/v1/overview").json()["runs"][0]["id"]
        for path in (f"runs/{run}", f"runs/{run}/metrics", f"runs/{run}/positions", f"runs/{run}/metrics.csv"):
            plain = client.get(f"/api/v1/{path}", headers={"Accept-Encoding": "identity"})
            with client.stream("GET", f"/api/v1/{path}", headers={"Accept-Encoding": "gzip"}) as packed:
                raw = b"".join(packed.iter_raw())
            assert packed.headers["content-encoding"] == "gzip"
            assert gzip.decompress(raw) == plain.content
            again = client.get(f"/api/v1/{path}", headers={"If-None-Match": plain.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.integers(1, 60), min_size=1, max_size=150),
    points=st.integers(2, 12),
    every=st.integers(1, 20),
)
def test_curves_that_grow_are_those_drawn_anew(steps: list[int], points: int, every: int) -> None:
    def row(at: int, step: int) -> dict[str, float]:
        return {"step": step, "loss": at / 7} | ({"rare": float(at)} if at % 5 == 4 else {})

    growing = Columns()
    for at, step in enumerate(steps):
        growing.append(row(at, step))
        if at % every == 0:
            growing.thinned(points)
    fresh = Columns()
    for at, step in enumerate(steps):
        fresh.append(row(at, step))
    assert growing.thinned(points) == fresh.thinned(points)
    assert {name: growing.last(name) for name in ("step", "loss")} == {n: fresh.last(n) for n in ("step", "loss")}


def test_moments_are_spread_over_the_whole_run_and_end_at_its_newest_row() -> None:
    moments = Moments()
    for step in range(1, 5001):
        moments.add(step, [{"from": 0, "to": 8, "loss_policy": 1 / step}])
    answer = moments.answer()
    assert (answer.step[0], answer.step[-1]) == (1, 5000)
    assert MOMENTS_KEPT // 2 <= len(answer.step) <= MOMENTS_KEPT + 1
    gaps = {b - a for a, b in zip(answer.step[:-2], answer.step[1:-1], strict=True)}
    assert len(gaps) == 1
    assert answer.loss_policy[0][-1] == 1 / 5000


def test_a_run_that_failed_says_so_and_why(tmp_path: Path) -> None:
    folder = examples.run(tmp_path / "run", steps=50)
    with open(folder / "metrics.jsonl", "a") as file:
        file.write('{"kind": "event", "step": 50, "time": 1.0, "message": "failed: the gradient\'s norm is nan"}\n')
    source = RunSource("run", "run", folder)
    source.poll()
    summary = source.summary()
    assert summary and summary.state == "failed"
    assert summary.last_error and "the gradient's norm is nan" in summary.last_error.message
