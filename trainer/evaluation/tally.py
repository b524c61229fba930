"""Records in, sums by steps in context and a list of episodes out: all that scores need, whatever the length of play.

Memory is O(worlds x bins) and a line for every episode.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainer.evaluation.record import Record
from trainer.evaluation.reference import Reference

FIRST_EDGES = (0, 50, 100)
CURVE_BLOCKS = 24

Bins = list[tuple[int, int]]


def step_bins(context: int) -> Bins:
    """Return the bins of ``score_by_step``: edges 0, 50, 100, 200, 400, ... doubling, cut at ``context`` steps."""
    edges = [edge for edge in FIRST_EDGES if edge < context]
    while edges[-1] >= FIRST_EDGES[-1] and 2 * edges[-1] < context:
        edges.append(2 * edges[-1])
    return list(zip(edges, [*edges[1:], context], strict=True))


def even_bins(context: int, blocks: int = CURVE_BLOCKS) -> Bins:
    """Return about ``blocks`` bins of nearly equal length, for curves."""
    edges = np.unique(np.linspace(0, context, min(blocks, context) + 1).astype(int)).tolist()
    return list(itertools.pairwise(edges))


def last_tenth(context: int) -> tuple[int, int]:
    """Return the bin of the asymptotic score."""
    return context - max(1, context // 10), context


@dataclass(frozen=True, kw_only=True)
class Episodes:
    """Finished episodes of all worlds, (E,) each, by world and then in order."""

    world: np.ndarray
    first: np.ndarray
    """The step in context they began at."""
    steps: np.ndarray
    total: np.ndarray
    """float64: return in rewards that count."""
    shown: np.ndarray
    """float64: return in rewards shown."""
    terminated: np.ndarray
    success: np.ndarray

    def told(self) -> dict[str, list[Any]]:
        """Return the columns as plain lists."""
        rounded = {name: np.round(getattr(self, name), 6) for name in ("total", "shown")}
        return {
            name: rounded.get(name, getattr(self, name)).tolist()
            for name in ("world", "first", "steps", "total", "shown", "terminated", "success")
        }


class Tally:
    """Adds up what a player did in W worlds over ``steps`` environment steps.

    Args:
        references: One of each world.
        steps: Environment steps in each.
        has_success: Whether an episode can succeed.
    """

    def __init__(self, references: Sequence[Reference], steps: int, has_success: bool = False) -> None:
        self.references, self.steps, self.has_success = references, steps, has_success
        cuts = itertools.chain(*step_bins(steps), *even_bins(steps), last_tenth(steps))
        self._edges = np.array(sorted({*cuts, 0, steps}))
        worlds, bins = len(references), len(self._edges) - 1
        self._sums = {name: np.zeros((worlds, bins)) for name in ("paid", "taken", "possible", "entropy")}
        self._action_tables()
        self._open = {name: np.zeros(worlds) for name in ("total", "shown")}
        self._begun = np.zeros(worlds, dtype=np.int64)
        self._ended: list[dict[str, np.ndarray]] = []

    def add(self, record: Record, first: int = 0, at: int = 0) -> None:
        """Take in steps ``first`` to ``first + record.steps`` of worlds ``at`` to ``at + record.worlds``, in order."""
        where = slice(at, at + record.worlds)
        self._add_up("paid", record.paid, first, where)
        self._add_up("entropy", record.entropy, first, where)
        if self.knows_model:
            rows = np.arange(where.start, where.stop)[:, None]
            self._add_up("taken", self._gain[rows, record.state, record.action], first, where)
            self._add_up("possible", self._most[rows, record.state], first, where)
        self._add_episodes(record, first, where)

    def add_all(self, records: Iterable[Record]) -> "Tally":
        """Take in records of all worlds that follow each other in time; return the tally."""
        first = 0
        for record in records:
            self.add(record, first)
            first += record.steps
        return self

    @property
    def knows_model(self) -> bool:
        """Whether actions can be scored: every world's Q* is known."""
        return self._gain.size > 0

    def sums(self, name: str, bins: Bins) -> np.ndarray:
        """Return (W, B) sums of ``paid``, ``taken``, ``possible`` or ``entropy`` over bins of known edges."""
        whole = np.concatenate([np.zeros((len(self.references), 1)), np.cumsum(self._sums[name], axis=1)], axis=1)
        low, high = (np.searchsorted(self._edges, edge) for edge in np.array(bins).T)
        return whole[:, high] - whole[:, low]

    def episodes(self) -> Episodes:
        """Return all finished episodes."""
        columns = {name: np.concatenate([part[name] for part in self._ended]) for name in self._ended[0]}
        order = np.lexsort((columns["first"], columns["world"]))
        return Episodes(**{name: values[order] for name, values in columns.items()})

    def _action_tables(self) -> None:
        """Make (W, n, a) Q* - mean Q* and (W, n) max Q* - mean Q*, padded; none where a world's model is unknown."""
        tables = [reference.q for reference in self.references]
        known = [q for q in tables if q is not None]
        self._gain, self._most = np.zeros((0, 0, 0)), np.zeros((0, 0))
        if len(known) == len(tables):
            n, a = (max(q.shape[axis] for q in known) for axis in (0, 1))
            self._gain, self._most = np.zeros((len(known), n, a)), np.zeros((len(known), n))
            for w, q in enumerate(known):
                mean = q.mean(axis=1)
                self._gain[w, : q.shape[0], : q.shape[1]] = q - mean[:, None]
                self._most[w, : q.shape[0]] = q.max(axis=1) - mean

    def _add_up(self, name: str, values: np.ndarray, first: int, where: slice) -> None:
        whole = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1, dtype=np.float64)], axis=1)
        cut = np.clip(self._edges - first, 0, values.shape[1])
        self._sums[name][where] += whole[:, cut[1:]] - whole[:, cut[:-1]]

    def _add_episodes(self, record: Record, first: int, where: slice) -> None:
        world, t = np.nonzero(record.ended)
        fresh = np.r_[True, world[1:] != world[:-1]] if len(world) else np.zeros(0, dtype=np.bool_)
        found = {"world": (world + where.start).astype(np.int32)}
        for name, values in (("total", record.paid), ("shown", record.reward)):
            running = np.cumsum(values, axis=1, dtype=np.float64) + self._open[name][where, None]
            at_end = running[world, t]
            found[name] = at_end - np.where(fresh, 0.0, np.r_[0.0, at_end[:-1]] if len(world) else at_end)
            left = running[:, -1].copy()
            last = np.r_[world[1:] != world[:-1], True] if len(world) else fresh
            left[world[last]] -= at_end[last]
            self._open[name][where] = left
        end = first + t + 1
        begun = np.where(fresh, self._begun[where][world], np.r_[0, end[:-1]] if len(world) else end)
        self._begun[where][world] = end  # of several ends of a world the last one stays
        found |= {"first": begun, "steps": (end - begun).astype(np.int32)}
        found |= {name: getattr(record, name)[world, t] for name in ("terminated", "success")}
        self._ended.append(found)
