"""The HTTP interface under /api/v1: what the page reads, and any script may."""

from typing import Annotated

from fastapi import APIRouter, FastAPI, HTTPException, Query
from fastapi import Path as PathParameter
from fastapi.responses import StreamingResponse

from deploy.dashboard.events import Watcher
from deploy.dashboard.models import DatasetDetail, Evaluation, Metrics, Overview, RunDetail

PREFIX = "/api/v1"
POINTS = 600
Id = Annotated[str, PathParameter(description="as listed in the overview", max_length=100)]


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


def add_api(app: FastAPI, watcher: Watcher) -> None:
    """Add every route under ``/api/v1``. All answer from memory; the watcher alone reads files."""
    router = APIRouter(prefix=PREFIX, tags=["v1"])
    sources = watcher.sources

    @router.get("/overview")
    async def overview() -> Overview:
        """Every dataset and run found, newest first."""
        return sources.overview()

    @router.get("/datasets/{dataset}")
    async def dataset(dataset: Id) -> DatasetDetail:
        """One dataset: progress, shares, writers, events, recipe."""
        source = sources.datasets.get(dataset)
        if source is None or source.detail is None:
            raise _unknown("dataset", dataset)
        return source.detail

    @router.get("/runs/{run}")
    async def run(run: Id) -> RunDetail:
        """One training run: state, newest metrics, loss by position, checkpoints, events."""
        source = sources.training.get(run)
        if source is None or source.detail is None:
            raise _unknown("run", run)
        return source.detail

    @router.get("/runs/{run}/metrics")
    async def metrics(run: Id, points: Annotated[int, Query(ge=2, le=5000)] = POINTS) -> Metrics:
        """A run's curves, averaged in groups of rows down to at most ``points`` points."""
        source = sources.training.get(run)
        if source is None:
            raise _unknown("run", run)
        return source.metrics(points)

    @router.get("/runs/{run}/evaluations")
    async def evaluations(run: Id) -> list[Evaluation]:
        """Every evaluation below a run, newest first."""
        source = sources.training.get(run)
        if source is None:
            raise _unknown("run", run)
        return source.evaluations

    @router.get("/events", response_class=EventStream)
    async def events() -> EventStream:
        """Server-sent events named ``change``: kind (overview, dataset, run, evaluation), id, time."""
        return EventStream(watcher.listen(), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    app.include_router(router)


def _unknown(what: str, key: str) -> HTTPException:
    return HTTPException(404, f"there is no {what} {key!r}; /api/v1/overview lists those that exist")
