"""The application: watcher, API, page and guard put together."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from deploy.dashboard import prometheus
from deploy.dashboard.api import PREFIX, add_api
from deploy.dashboard.child import Child
from deploy.dashboard.cluster import RayState
from deploy.dashboard.events import POLL_SECONDS, Watcher
from deploy.dashboard.models import Health, Ready
from deploy.dashboard.page import add_page
from deploy.dashboard.security import Guard
from deploy.dashboard.sources import Sources


def create_app(
    sources: Sources, token: str | None = None, poll_seconds: float = POLL_SECONDS, ray: str | None = None
) -> FastAPI:
    """Return the application. It reads what lies there at start-up, then polls until shut down."""
    watcher = Watcher(sources, poll_seconds)
    child = Child()

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(sources.poll)
        task = asyncio.create_task(watcher.run())
        try:
            yield
        finally:
            task.cancel()
            child.close()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    app = FastAPI(
        title="omnirl dashboard",
        version=package_version(),
        lifespan=lifespan,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # FastAPI's own pages load their scripts from other hosts
        redoc_url=None,
    )
    app.add_middleware(Guard, token=token)
    add_api(app, watcher, child, RayState(ray))

    @app.head("/healthz", include_in_schema=False)
    @app.get("/healthz", tags=["server"])
    async def healthz() -> Health:
        """Whether the server reads its files: ``ok``, or the error of its last poll."""
        return Health(
            status=watcher.error or "ok",
            version=package_version(),
            started=watcher.started,
            polls=sources.polls,
            last_poll_seconds=sources.seconds,
            datasets=len(sources.datasets),
            runs=len(sources.training),
            subscribers=len(watcher.listeners),
        )

    @app.get("/readyz", tags=["server"], responses={503: {"model": Ready}})
    async def readyz() -> JSONResponse:
        """200 once everything was read that lay there at start-up, 503 before, or while it cannot be read."""
        behind = sources.behind()
        detail = watcher.error or ("not polled yet" if not sources.polls else ", ".join(behind[:5]))
        ready = Ready(ready=not detail, detail=f"still reading {detail}" if detail else "ok")
        return JSONResponse(ready.model_dump(), 200 if ready.ready else 503)

    @app.get("/metrics", tags=["server"], response_class=PlainTextResponse)
    def metrics() -> Response:
        """Progress, rates, losses and restarts as Prometheus reads them."""
        return Response(prometheus.exposition(sources), media_type=prometheus.TYPE)

    add_page(app)
    return app


def package_version() -> str:
    """Return omnirl's version, ``unknown`` in a checkout that is not installed."""
    try:
        return version("omnirl")
    except PackageNotFoundError:
        return "unknown"
