"""A Ray session: joins the cluster a job was submitted to or that was named, else starts one on this machine."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from common.errors import DataError

OBJECT_STORE_BYTES = 100 * 1024 * 1024
"""Receipts are all that ever lies in it; Ray's default is gigabytes."""
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_COLOR_PREFIX": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@contextlib.contextmanager
def session(address: str | None, actors: int | None, patience: float = 0.0) -> Iterator[bool]:
    """Connect to Ray for the length of a ``with`` block; yields whether it is a cluster that nodes may join.

    A session that is there already is used and left alone. One started here listens on this machine only, without
    authentication unless RAY_AUTH_MODE says otherwise: left unset, Ray would turn tokens on for the whole user account.

    Args:
        address: A cluster's address, ``auto`` or ``local``; None takes RAY_ADDRESS, or starts a local one.
        actors: How many actors are wanted; a local session has that many cores, or the machine's where None.
        patience: Seconds to wait for a cluster that does not answer.

    Raises:
        DataError: The cluster cannot be joined.
    """
    address = where(address)
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    if address == "local":
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    import ray

    if ray.is_initialized():
        yield True
        return
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
        except (ConnectionError, RuntimeError) as error:
            raise DataError(f"the Ray cluster at {address} cannot be joined: {error}") from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_terminate)  # Ray puts its own, which exits at once
    try:
        yield address != "local"
    finally:
        ray.shutdown()


def where(address: str | None) -> str:
    """Return the address of the cluster to join; ``local`` where one is to be started here."""
    return address or os.environ.get("RAY_ADDRESS") or "local"


def _await(address: str, patience: float) -> None:
    """Return when somebody listens at ``host:port``; Ray itself would wait long and then end the process.

    Raises:
        DataError: Nobody does.
    """
    host, _, port = address.rpartition(":")
    if "//" in address or not host or not port.isdigit():
        return
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
