import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn

from deploy.dashboard.server import create_app
from deploy.dashboard.sources import Sources


@contextlib.contextmanager
def serving(sources: Sources, token: str | None = None) -> Iterator[str]:
    """Serve on a free port in a thread; yield the address."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(sources, token, 0.2), log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server ended at start-up"
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Return a function that serves data and runs folders until the test ends."""
    with contextlib.ExitStack() as stack:

        def start(data: Path, runs: Path, token: str | None = None) -> str:
            return stack.enter_context(serving(Sources([data], [runs]), token))

        yield start
