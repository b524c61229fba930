"""Work on many items in a few threads, results in order, never more than a few at a time in memory."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MOST = 6
"""Threads at most: each may hold a shard, raw and stored."""


def in_order(work: Callable[[T], R], items: Iterable[T], threads: int | None = None) -> Iterator[R]:
    """Yield ``work(item)`` of every item, in their order.

    Args:
        work: What to do; it should leave Python's lock for most of its time.
        items: Taken as there is room.
        threads: How many at a time; as many as there are cores and at most ``MOST``, where None.
    """
    count = threads or min(MOST, os.cpu_count() or 1)
    running: deque[Future[R]] = deque()
    with ThreadPoolExecutor(count, thread_name_prefix="in-order") as pool:
        try:
            for item in items:
                running.append(pool.submit(work, item))
                if len(running) > count:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()


def spans(numbers: Iterable[int], most: int = 10) -> str:
    """Return whole numbers as text, runs of them as ``first..last``, after ``most`` parts ``...``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    parts = [str(first) if first == last else f"{first}..{last}" for first, last in runs[:most]]
    return ", ".join(parts) + (", ..." if len(runs) > most else "")
