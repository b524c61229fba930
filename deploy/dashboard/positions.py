"""Losses by position in the context: of every row the bins, of the whole run some moments, evenly spread."""

from typing import Any

from pydantic import ValidationError

from deploy.dashboard.models import PositionHistory, PositionLoss

MOMENTS_KEPT = 128
Bins = list[dict[str, Any]]


class Moments:
    """Every ``stride``-th row's losses by position; the stride doubles when too many are kept."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._kept: list[tuple[float, Bins]] = []
        self._newest: tuple[float, Bins] | None = None
        self._seen, self._stride = 0, 1

    def add(self, step: float, bins: Bins) -> None:
        """Take note of a row; what a resumed run does again replaces what was kept."""
        while self._kept and self._kept[-1][0] >= step:
            self._kept.pop()
            self._seen = len(self._kept) * self._stride
        if self._seen % self._stride == 0:
            self._kept.append((step, bins))
        self._seen += 1
        self._newest = step, bins
        if len(self._kept) > MOMENTS_KEPT:
            del self._kept[1::2]
            self._stride *= 2

    def answer(self) -> PositionHistory:
        """Return them by bin, then step; the newest row is the last moment."""
        kept = [(step, losses(bins)) for step, bins in self._kept]
        if self._newest and self._kept[-1][0] != self._newest[0]:
            kept.append((self._newest[0], losses(self._newest[1])))
        widest = max((bins for _, bins in kept), key=len)
        places = {one.first: at for at, one in enumerate(widest)}
        by_bin: list[list[float | None]] = [[None] * len(kept) for _ in widest]
        for moment, (_, bins) in enumerate(kept):
            for one in bins:
                if one.first in places:
                    by_bin[places[one.first]][moment] = one.loss_policy
        stretches = [(one.first, one.to) for one in widest]
        return PositionHistory(step=[step for step, _ in kept], bins=stretches, loss_policy=by_bin)


def checked(told: Any) -> Bins:
    """Return a row's losses by position, empty where it has none.

    Raises:
        ValueError: They are no list of stretches from one position to another.
    """
    bins = told or []
    if not isinstance(bins, list) or not all(isinstance(one, dict) and _is_stretch(one) for one in bins):
        raise ValueError("by_position must be a list of objects with the numbers 'from' and 'to'")
    return bins


def _is_stretch(one: dict[str, Any]) -> bool:
    return isinstance(one.get("from"), int | float) and isinstance(one.get("to"), int | float)


def losses(bins: Bins) -> list[PositionLoss]:
    """Return bins as the API shows them; those that are none are left out."""
    read = []
    for part in bins:
        try:
            read.append(PositionLoss.model_validate(part))
        except ValidationError:
            continue
    return read
