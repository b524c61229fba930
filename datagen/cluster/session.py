"""A Ray session: joins the cluster a job was submitted to or that was named, else starts one on this machine."""

import contextlib
import os
import secrets
import signal
import socket
import textwrap
import threading
import time
from collections.abc import Iterator
from typing import Any

from common.errors import DataError, UsageError

OBJECT_STORE_BYTES = 100 * 1024 * 1024
"""Receipts are all that ever lies in it; Ray's default is gigabytes."""
MESSAGE = 200
"""Characters of a message of Ray's own that are shown."""
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_COLOR_PREFIX": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@contextlib.contextmanager
def session(address: str | None, actors: int | None, patience: float = 0.0) -> Iterator[bool]:
    """Connect to Ray for the length of a ``with`` block; yields whether it is a cluster that nodes may join.

    A session that is there already is used and left alone. One started here asks for a token that only this process and
    its children know, unless RAY_AUTH_MODE is set: Ray listens on all of a machine's addresses, whatever it is told,
    and runs what it is sent.

    Args:
        address: A cluster's address, ``auto`` or ``local``; None takes RAY_ADDRESS, or starts a local one.
        actors: How many actors are wanted; a local session has that many cores, or the machine's where None.
        patience: Seconds to wait for a cluster that does not answer.

    Raises:
        DataError: The cluster cannot be joined.
        UsageError: It is no address of a cluster.
    """
    address = where(address)
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    if address == "local":
        _keep_strangers_out()
    import ray

    if ray.is_initialized():
        yield True
        return
    _shorten_messages()
    on_terminate = signal.getsignal(signal.SIGTERM)
    common: dict[str, Any] = {"log_to_driver": False, "logging_level": "WARNING"}
    if address == "local":
        ray.init(
            address="local",
            num_cpus=actors,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            **common,
        )
    else:
        _await(address, patience)
        try:
            ray.init(address=address, **common)
        except (ConnectionError, RuntimeError, ray.exceptions.AuthenticationError) as error:
            mode = os.environ.get("RAY_AUTH_MODE", "not set")
            raise DataError(
                f"the Ray cluster at {address} cannot be joined: {error}\nRAY_AUTH_MODE is {mode} here; it and the "
                "token (RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token) must be those of the cluster"
            ) from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_terminate)  # Ray puts its own, which exits at once
    try:
        yield address != "local"
    finally:
        ray.shutdown()


def _keep_strangers_out() -> None:
    """Draw a token for this process's own clusters, where nobody said how they are to be guarded."""
    if not os.environ.get("RAY_AUTH_MODE"):
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        from ray import _raylet

        compiled: Any = _raylet
        compiled.Config.initialize("")  # Ray may have been imported before, and looks at the environment only then
        compiled.AuthenticationTokenLoader.instance().reset_cache()


def _shorten_messages() -> None:
    """Make what Ray tells every driver one line each: of a node that dies it would print the end of that node's log."""
    from ray._private import worker

    whole: Any = worker.print_to_stdstream
    if whole.__module__ == __name__:
        return

    def shortened(data: dict[str, Any], *rest: Any, **options: Any) -> None:
        lines = [textwrap.shorten(line.strip().split("\n", 1)[0], MESSAGE) for line in data["lines"]]
        whole({**data, "lines": lines}, *rest, **options)

    worker.print_to_stdstream = shortened


def where(address: str | None) -> str:
    """Return the address of the cluster to join; ``local`` where one is to be started here.

    Raises:
        UsageError: It is no address of a cluster.
    """
    found = address or os.environ.get("RAY_ADDRESS") or "local"
    host, _, port = found.rpartition(":")
    if found not in ("local", "auto") and ("/" in found or not host or not port.isdigit()):
        name = "--address" if address else "RAY_ADDRESS"
        raise UsageError(
            f"{name} is HOST:PORT of a Ray head (6379 unless told otherwise), auto or local, got {found!r}; the URL of "
            "its job server is for `ray job submit --address URL -- python -m datagen run ...`"
        )
    return found


def _await(address: str, patience: float) -> None:
    """Return when somebody listens at ``host:port``; Ray itself would wait long and then end the process.

    Raises:
        DataError: Nobody does.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + patience
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5.0).close()
            return
        except OSError as error:
            if time.monotonic() >= deadline:
                raise DataError(
                    f"no Ray cluster answers at {address}: {error}; start it, or give another --address"
                ) from error
            time.sleep(1.0)
