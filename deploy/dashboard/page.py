"""The page: one HTML document and its static files, all from this package."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).with_name("static")


def add_page(app: FastAPI) -> None:
    """Serve the page at ``/`` and its files under ``/static``."""

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def index() -> FileResponse:
        """Return the page."""
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    app.mount("/static", Static(directory=STATIC), name="static")


class Static(StaticFiles):
    """Static files that a browser asks about again, so that an upgraded server shows its new page."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return the file with ``Cache-Control: no-cache``; an unchanged one answers 304."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response
