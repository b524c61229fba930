"""The HTTP interface under /api/v1: what the page reads, and any script may."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request
from fastapi import Path as PathParameter
from fastapi.responses import Response, StreamingResponse
from pydantic import TypeAdapter

from common.errors import DataError, UsageError
from deploy.dashboard import worlds
from deploy.dashboard.answers import Kept, as_csv
from deploy.dashboard.child import BusyError, Child
from deploy.dashboard.cluster import RayState
from deploy.dashboard.events import Watcher
from deploy.dashboard.models import Answer, DatasetDetail, Evaluation, Metrics, Overview, PositionHistory, RunDetail
from deploy.dashboard.paper import PAPER
from deploy.dashboard.runs import RunSource
from deploy.dashboard.sources import Sources
from deploy.dashboard.views import Cluster, SequenceView, WorldView

PREFIX = "/api/v1"
POINTS = 600
_POSITIONS = TypeAdapter(dict[str, PositionHistory])
_EVALUATIONS = TypeAdapter(list[Evaluation])
Id = Annotated[str, PathParameter(description="as listed in the overview", max_length=100)]


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


def add_api(app: FastAPI, watcher: Watcher, child: Child, ray: RayState) -> None:
    """Add every route under ``/api/v1``. All answer from memory; the watcher alone reads files."""
    router = APIRouter(prefix=PREFIX, tags=["v1"])
    kept = Kept()
    _add_datasets(router, watcher.sources, child, kept)
    _add_runs(router, watcher.sources, kept)

    @router.get("/overview")
    async def overview(request: Request) -> Overview:
        """Every dataset and run found, newest first."""
        found = watcher.sources.overview()
        return kept.give(request, "overview", found, lambda: json(found))  # type: ignore[return-value]

    @router.get("/worlds/{family}", responses=REFUSED)
    async def world(
        family: Annotated[str, PathParameter(max_length=40)],
        seed: Annotated[int, Query(ge=0, lt=1 << 64)] = 0,
        states: Annotated[int, Query(ge=2, le=128)] = 16,
        actions: Annotated[int, Query(ge=2, le=16)] = 5,
    ) -> WorldView:
        """A world of a family by its seed, with its transitions, values and roles of states."""
        return await _asked(child, worlds.sample, family, seed, states, actions)  # type: ignore[return-value]

    @router.get("/cluster")
    def cluster() -> Cluster:
        """Ray's nodes, resources and actors, or why they are not known."""
        return ray.answer()

    @router.get("/paper")
    async def paper() -> dict[str, str]:
        """The paper's Table 1 by suite: score in percent / environment steps / episodes of OmniRL."""
        return PAPER

    @router.get("/events", response_class=EventStream)
    async def events() -> EventStream:
        """Server-sent events named ``change``: kind (overview, dataset, run, evaluation), id, time."""
        return EventStream(watcher.listen(), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    app.include_router(router)


def _add_datasets(router: APIRouter, sources: Sources, child: Child, kept: "Kept") -> None:
    @router.get("/datasets/{dataset}")
    async def dataset(request: Request, dataset: Id) -> DatasetDetail:
        """One dataset: progress, shares, writers, events, recipe."""
        source = sources.datasets.get(dataset)
        if source is None or source.detail is None:
            raise _unknown("dataset", dataset)
        detail = source.detail
        return kept.give(request, ("dataset", dataset), detail, lambda: json(detail))  # type: ignore[return-value]

    @router.get("/datasets/{dataset}/sequences/{number}", responses=REFUSED)
    async def sequence(dataset: Id, number: Annotated[int, PathParameter(ge=0, lt=1 << 53)]) -> SequenceView:
        """One recorded sequence: its world, who acted, what came of it."""
        source = sources.datasets.get(dataset)
        if source is None:
            raise _unknown("dataset", dataset)
        return await _asked(child, worlds.sequence, source.files.location, number)  # type: ignore[return-value]


def _add_runs(router: APIRouter, sources: Sources, kept: "Kept") -> None:
    def known(run: str) -> RunSource:
        source = sources.training.get(run)
        if source is None:
            raise _unknown("run", run)
        return source

    @router.get("/runs/{run}")
    async def run(request: Request, run: Id) -> RunDetail:
        """One training run: state, newest metrics, loss by position, checkpoints, events."""
        source = sources.training.get(run)
        if source is None or source.detail is None:
            raise _unknown("run", run)
        detail = source.detail
        return kept.give(request, ("run", run), detail, lambda: json(detail))  # type: ignore[return-value]

    @router.get("/runs/{run}/metrics")
    async def metrics(request: Request, run: Id, points: Annotated[int, Query(ge=2, le=5000)] = POINTS) -> Metrics:
        """A run's curves, averaged in groups of rows down to at most ``points`` points."""
        found = known(run).metrics(points)
        return kept.give(request, ("metrics", run, points), found, lambda: json(found))  # type: ignore[return-value]

    @router.get("/runs/{run}/metrics.csv", response_class=Csv)
    async def metrics_csv(
        request: Request,
        run: Id,
        points: Annotated[int, Query(ge=2, le=5000)] = POINTS,
        set: Annotated[str, Query(max_length=100, description="train, or a validation set")] = "train",
    ) -> Response:
        """The same curves as CSV, a column a figure."""
        found = known(run).metrics(points)
        columns = found.train if set == "train" else found.validation.get(set)
        if columns is None:
            raise HTTPException(404, f"run {run!r} has no set {set!r}: it has train, {', '.join(found.validation)}")
        return kept.give(request, ("csv", run, points, set), found, lambda: as_csv(columns), Csv.media_type)

    @router.get("/runs/{run}/positions")
    async def positions(request: Request, run: Id) -> dict[str, PositionHistory]:
        """Policy loss by position in the context over optimiser steps, by set."""
        found = known(run).positions()
        return kept.give(  # type: ignore[return-value]
            request, ("positions", run), found, lambda: _POSITIONS.dump_json(found)
        )

    @router.get("/runs/{run}/evaluations")
    async def evaluations(request: Request, run: Id) -> list[Evaluation]:
        """Every evaluation below a run, newest first."""
        found = known(run).evaluations
        return kept.give(  # type: ignore[return-value]
            request, ("evaluations", run), found, lambda: _EVALUATIONS.dump_json(found, by_alias=True)
        )


REFUSED: dict[int | str, dict[str, Any]] = {
    404: {"description": "there is no such thing, or it is not committed yet"},
    409: {"description": "it is being computed, or what it is made of is damaged"},
}


class Csv(Response):
    """Comma-separated values."""

    media_type = "text/csv; charset=utf-8"


def json(answer: Answer) -> bytes:
    """Return an answer as JSON."""
    return answer.model_dump_json(by_alias=True).encode()


async def _asked(child: Child, function: Callable[..., str], *arguments: Any) -> Response:
    try:
        return Response(await child.ask(function, *arguments), media_type="application/json")
    except UsageError as error:
        raise HTTPException(404, str(error)) from error
    except (BusyError, DataError) as error:
        raise HTTPException(409, str(error)) from error


def _unknown(what: str, key: str) -> HTTPException:
    return HTTPException(404, f"there is no {what} {key!r}; /api/v1/overview lists those that exist")
