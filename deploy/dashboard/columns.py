"""Metric rows as growing columns of numbers, thinned to a number of points for a chart."""

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

KEY = "step"
EXACT = frozenset({KEY, "time"})
"""Columns of doubles; of the others single precision is kept, a chart shows less."""
DIGITS = 6
"""Of a mean; half of a page's bytes would be noise."""
CHARTS_KEPT = 4
"""Numbers of points whose groups are kept."""


@dataclass
class _Groups:
    """Means of the groups that are full: they never change, so a new row costs one group, not all rows again."""

    size: int
    full: int = 0
    means: dict[str, list[float | None]] = field(default_factory=dict)

    def cut(self, rows: int) -> None:
        """Forget groups that rows were taken from."""
        self.full = min(self.full, rows // self.size)
        for means in self.means.values():
            del means[self.full :]


class Columns:
    """Numbers by name over optimiser steps; 4 or 8 bytes a value, missing ones nan.

    A row whose step is not beyond the last one replaces what came after it: a resumed run repeats the steps since its
    checkpoint, and the later rows are the valid ones.
    """

    def __init__(self) -> None:
        """Make empty columns."""
        self._columns: dict[str, array[float]] = {KEY: array("d")}
        self._groups: dict[int, _Groups] = {}
        self._newest: dict[str, float] = {}

    def __len__(self) -> int:
        """Return the number of rows kept."""
        return len(self._columns[KEY])

    def append(self, row: Mapping[str, Any]) -> None:
        """Add the numbers of a row; other values are left out. A row without a numeric step is refused.

        Raises:
            ValueError: ``step`` is missing or no number.
        """
        step = _number(row.get(KEY))
        if step is None:
            raise ValueError(f"a metrics row needs a numeric {KEY!r}, got {row.get(KEY)!r}")
        self._drop_from(step)
        rows = len(self)
        for name, value in row.items():
            number = _number(value)
            if number is None:
                continue
            if name not in self._columns:
                self._columns[name] = array("d" if name in EXACT else "f", [np.nan]) * rows
            self._columns[name].append(number)
            self._newest[name] = number
        for column in self._columns.values():
            if len(column) == rows:
                column.append(np.nan)

    def _drop_from(self, step: float) -> None:
        steps = self._columns[KEY]
        keep = len(steps)
        while keep and steps[keep - 1] >= step:
            keep -= 1
        if keep < len(steps):
            for column in self._columns.values():
                del column[keep:]
            for groups in self._groups.values():
                groups.cut(keep)
            found = {name: _last(column) for name, column in self._columns.items()}
            self._newest = {name: value for name, value in found.items() if value is not None}

    def last(self, name: str) -> float | None:
        """Return the newest number of a column, None where there is none."""
        return self._newest.get(name)

    def names(self) -> list[str]:
        """Return the columns' names."""
        return list(self._columns)

    def pace(self, rows: int = 20) -> tuple[float, float] | None:
        """Return seconds a step and the newest row's ``time``; None before there are two rows with one.

        The median over the newest rows: a pause between two of them does not count.
        """
        steps = np.array(self._columns[KEY][-rows:])
        times = np.array(self._columns.get("time", array("d"))[-rows:])
        if times.size < 2 or np.isnan(times).any():
            return None
        return float(np.median(np.diff(times) / np.diff(steps))), float(times[-1])

    def thinned(self, points: int) -> dict[str, list[float | None]]:
        """Return every column averaged in groups of a power of two rows, so that at most ``points`` remain.

        A group's step is its last one. Groups start at row 0 and keep their rows while the run grows, so a drawn point
        does not move until the group size doubles.
        """
        rows, size = len(self), 1
        while (rows + size - 1) // size > points:
            size *= 2
        groups = self._groups.get(points)
        if groups is None or groups.size != size:
            if len(self._groups) >= CHARTS_KEPT:
                self._groups.clear()
            groups = self._groups[points] = _Groups(size)
        full = rows // size
        answer = {}
        for name, column in self._columns.items():
            means = groups.means.setdefault(name, [None] * groups.full)
            means += _means(column, groups.full * size, full * size, size, name == KEY)
            answer[name] = means + _means(column, full * size, rows, size, name == KEY)
        groups.full = full
        return answer


def _means(column: "array[float]", first: int, to: int, size: int, last: bool) -> list[float | None]:
    """Return the mean of each group of rows ``first`` .. ``to``, or its last value; None where nothing is known."""
    if first == to:
        return []
    values = np.array(column[first:to])
    groups = -(-values.size // size)
    if last:
        ends = np.minimum(np.arange(1, groups + 1) * size, values.size) - 1
        return [float(value) for value in values[ends]]
    padded = np.full(groups * size, np.nan)
    padded[: values.size] = values
    table = padded.reshape(groups, size)
    known = ~np.isnan(table)
    count = known.sum(axis=1)
    total = np.where(known, table, 0.0).sum(axis=1)
    return [_short(t / c) if c and np.isfinite(t) else None for t, c in zip(total, count, strict=True)]


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _last(column: "array[float]") -> float | None:
    return next((value for value in reversed(column) if value == value), None)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None
