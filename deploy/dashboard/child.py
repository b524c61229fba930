"""One process that computes worlds for the server: bounded, answers kept, started at the first question."""

import asyncio
import multiprocessing
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from common.errors import DataError, UsageError

KEPT = 32
WAITING = 8
PATIENCE = 120.0


class BusyError(Exception):
    """Too much is asked at once, or an answer takes too long."""


class Child:
    """Runs functions of picklable arguments that return text."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._pool: ProcessPoolExecutor | None = None
        self._kept: OrderedDict[tuple[Any, ...], str] = OrderedDict()
        self._waiting = 0

    async def ask(self, function: Callable[..., str], *arguments: Any) -> str:
        """Return ``function(*arguments)``, computed apart.

        Raises:
            BusyError: Others wait already, or it took more than ``PATIENCE`` seconds.
            UsageError: As the function does.
            DataError: As the function does, or its process died.
        """
        key = (function.__name__, *arguments)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if self._waiting >= WAITING:
            raise BusyError(f"{WAITING} worlds are being drawn already; ask again in a moment")
        if self._pool is None:
            self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=200)
        self._waiting += 1
        try:
            future = self._pool.submit(function, *arguments)
            text = await asyncio.wait_for(asyncio.wrap_future(future), PATIENCE)
        except TimeoutError:
            raise BusyError("it is still being computed (the first time kernels are compiled); ask again") from None
        except BrokenProcessPool as error:
            self.close()
            raise DataError(f"the process that draws worlds ended: {error}; ask again") from error
        except FileNotFoundError as error:
            raise UsageError(f"there is no {error.filename}") from error
        finally:
            self._waiting -= 1
        self._kept[key] = text
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return text

    def close(self) -> None:
        """End the process."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
