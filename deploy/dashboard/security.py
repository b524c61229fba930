"""Who may read: loopback without a token, anywhere else with one; and what a page of ours may load."""

import os
import secrets
from pathlib import Path
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.binding import is_loopback
from common.errors import UsageError

TOKEN_VARIABLE = "OMNIRL_DASHBOARD_TOKEN"
COOKIE = "omnirl_token"
OPEN_PATHS = frozenset({"/healthz", "/readyz"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_RAW_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


def find_token(file: str | None) -> str | None:
    """Return the token of a file, or else of the environment; None where there is none.

    Raises:
        UsageError: The file cannot be read or is empty.
    """
    if file is None:
        return os.environ.get(TOKEN_VARIABLE) or None
    try:
        token = Path(file).read_text().strip()
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--token-file {file} cannot be read: {error}; give a text file with the token alone"
        ) from None
    if not token:
        raise UsageError(f"--token-file {file} is empty; it must hold the token alone")
    return token


class Guard:
    """Asks for the token where one is set, for a loopback host name where none is, and adds the headers always.

    Without a token only requests that call this server by a loopback name are answered, so that another site's page
    cannot read it by pointing its own name here.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        """Stand before ``app``."""
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_RAW_HEADERS]
            await send(message)

        refusal = _refusal(Request(scope), self._token)
        await (refusal or self._app)(scope, receive, guarded)


def _refusal(request: Request, token: str | None) -> Response | None:
    if request.method not in ("GET", "HEAD"):
        return JSONResponse({"detail": "this server is read-only: GET and HEAD alone"}, 405)
    if token is None:
        name = request.url.hostname or ""
        return None if is_loopback(name) else JSONResponse({"detail": f"unknown host {name!r}: use 127.0.0.1"}, 421)
    if request.url.path in OPEN_PATHS:
        return None
    offered = request.query_params.get("token")
    if offered is not None and request.url.path == "/" and _equal(offered, token):
        rest = [(key, value) for key, value in request.query_params.multi_items() if key != "token"]
        response = RedirectResponse("/" + (f"?{urlencode(rest)}" if rest else ""), 303)
        response.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=request.url.scheme == "https")
        return response
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    given = bearer if scheme.lower() == "bearer" else request.cookies.get(COOKIE, "")
    if _equal(given, token):
        return None
    return JSONResponse(
        {"detail": "a token is needed: open /?token=TOKEN once, or send Authorization: Bearer TOKEN"},
        401,
        {"WWW-Authenticate": "Bearer"},
    )


def _equal(given: str, token: str) -> bool:
    return secrets.compare_digest(given.encode(), token.encode())
