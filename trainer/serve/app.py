"""The application: an agent's verbs as POST requests, JSON in and out; see ``/openapi.json``."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response

from common.binding import is_loopback
from common.errors import UsageError
from trainer.serve import models
from trainer.serve.sessions import FullError, GoneError, Sessions

Next = Callable[[Request], Awaitable[Response]]


def create_app(sessions: Sessions, token: str | None = None) -> FastAPI:
    """Return the application; with a token every request but ``/healthz`` must carry it as ``Authorization: Bearer``.

    Answers 400 where the Agent refuses a call, 404 where a session is gone, 413 where a request is too large, 422 where
    it is malformed, 429 where there are too many sessions.
    """
    app = FastAPI(title="omnirl agent", docs_url=None, redoc_url=None)
    _add_refusals(app)
    _add_sessions(app, sessions)
    _add_verbs(app, sessions)

    @app.middleware("http")
    async def guard(request: Request, call_next: Next) -> Response:
        return await _refusal(request, sessions.limits.bytes, token) or await call_next(request)

    return app


def _add_sessions(app: FastAPI, sessions: Sessions) -> None:
    """Add what begins and ends sessions."""

    @app.get("/healthz")
    def healthz() -> dict[str, Any]:
        config = sessions.model.config
        facts = {"vocabulary": config.vocabulary, "actions": config.actions, "tokens": config.observation_tokens}
        return {"status": "ok", "sessions": len(sessions), "model": facts, "limits": sessions.limits.model_dump()}

    @app.post("/sessions", status_code=201)
    def begin(asked: models.Begin) -> dict[str, str]:
        return {"session": sessions.begin(asked.settings)}

    @app.delete("/sessions/{name}")
    def end(name: str) -> dict[str, bool]:
        sessions.end(name)
        return {"ended": True}


def _add_verbs(app: FastAPI, sessions: Sessions) -> None:
    """Add the Agent's verbs; handlers are plain functions, so each call runs in a thread of its own."""

    @app.post("/sessions/{name}/reset")
    def reset(name: str, asked: models.Reset) -> dict[str, bool]:
        most, session = sessions.limits.sequences, sessions.get(name)
        views = session.agent.settings.views
        if asked.n * views > most:
            raise UsageError(f"a session has at most {most} sequences, views counted, got {asked.n} of {views} views")
        if isinstance(asked.n_actions, list) and len(asked.n_actions) != asked.n:
            raise UsageError(f"n_actions is one number or {asked.n} of them, got {len(asked.n_actions)}")
        with session.lock:
            session.agent.reset(asked.n, _array(asked.n_actions))
            session.memories.clear()
        return {"reset": True}

    @app.post("/sessions/{name}/act")
    def act(name: str, asked: models.Act) -> dict[str, list[int]]:
        session = sessions.get(name)
        with session.lock:
            return {"action": session.agent.act(_array(asked.observation)).tolist()}

    @app.post("/sessions/{name}/observe")
    def observe(name: str, asked: models.Observe) -> dict[str, bool]:
        session = sessions.get(name)
        told = (asked.next_observation, asked.reward, asked.terminated, asked.truncated)
        if len({len(part) for part in told}) > 1:
            raise UsageError("observe takes four lists of the same length, one entry a sequence")
        with session.lock:
            session.agent.observe(*(_array(part) for part in told))
        return {"observed": True}

    @app.post("/sessions/{name}/prefill")
    def prefill(name: str, asked: models.Prefill) -> dict[str, bool]:
        session, most = sessions.get(name), sessions.limits.rows
        if sum(len(rows) for rows in asked.tag) * session.agent.settings.views > most:
            raise UsageError(f"a request shows at most {most} rows over all sequences; send several")
        with session.lock:
            session.agent.prefill(
                _array(asked.observation),
                _array(asked.action),
                _array(asked.reward),
                _array(asked.tag),
                None if asked.lengths is None else _array(asked.lengths),
            )
        return {"read": True}

    @app.post("/sessions/{name}/memory")
    def memory(name: str) -> dict[str, str]:
        session = sessions.get(name)
        with session.lock:
            return {"memory": sessions.remember(session)}

    @app.post("/sessions/{name}/restore")
    def restore(name: str, asked: models.Restore) -> dict[str, bool]:
        session = sessions.get(name)
        with session.lock:
            if asked.memory not in session.memories:
                raise GoneError("the session has no such memory")
            session.agent.restore(session.memories[asked.memory])
        return {"restored": True}


def _array(values: Any) -> np.ndarray:
    """Return lists as an array.

    Raises:
        UsageError: They are ragged, or a number is too large.
    """
    try:
        made = np.asarray(values)
    except (ValueError, OverflowError):
        raise UsageError("lists must be rectangular: as many entries in each row") from None
    if made.dtype == object or (made.dtype.kind == "u" and made.dtype.itemsize == 8):
        raise UsageError("a number is too large")
    return made


def _add_refusals(app: FastAPI) -> None:
    """Turn errors into answers."""
    codes: dict[type[Exception], int] = {UsageError: 400, GoneError: 404, FullError: 429}

    def answer(code: int) -> Callable[[Request, Exception], Response]:
        return lambda _, error: JSONResponse({"detail": str(error.args[0])}, code)

    for kind, code in codes.items():
        app.add_exception_handler(kind, answer(code))

    def malformed(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        places = [{"loc": one["loc"], "msg": one["msg"]} for one in error.errors()[:8]]
        return JSONResponse({"detail": jsonable_encoder(places)}, 422)

    app.add_exception_handler(RequestValidationError, malformed)


async def _refusal(request: Request, most: int, token: str | None) -> Response | None:
    """Return why a request is not answered; reads its body, never more than ``most`` bytes of it."""
    if token is None:
        if not is_loopback(request.url.hostname or ""):
            return JSONResponse({"detail": "unknown host: use 127.0.0.1"}, 421)
    elif request.url.path != "/healthz":
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secrets.compare_digest(bearer.encode(), token.encode()):
            detail = {"detail": "a token is needed: send Authorization: Bearer TOKEN"}
            return JSONResponse(detail, 401, {"WWW-Authenticate": "Bearer"})
    large = JSONResponse({"detail": f"a request has at most {most} bytes"}, 413)
    said = request.headers.get("content-length", "0")
    if not said.isdigit() or int(said[:20]) > most:
        return large
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            return large
    request._body = bytes(body)  # what later readers get: Starlette's own place for a body that was read
    return None
