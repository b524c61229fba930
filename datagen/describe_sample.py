"""What a sample of sequences tells of a dataset: rewards, episodes, behaviours, labels, coverage, values of worlds."""

from collections import Counter, defaultdict
from typing import Any

import numpy as np

from common.dataset.dataset import Dataset, Rows, Table
from common.dataset.schema import TAGS

LEAST_GAP = 0.05
"""Episodes of worlds whose oracle gains less than this over random play are not scored: the quotient is noise."""
_ROWS_AT_ONCE = 1 << 20


class Sample:
    """Statistics of some sequences, taken in a part at a time."""

    def __init__(self, dataset: Dataset) -> None:
        self.actions, self.length = dataset.actions, dataset.length
        self.place = len(dataset.discounts) - 1
        """Of the reference's discount."""
        self.sequences = 0
        self.tags = np.zeros(TAGS, dtype=np.int64)
        self.right = np.zeros(TAGS)
        """Rows whose recorded action is optimal, by tag."""
        self.labelled = np.zeros(TAGS, dtype=np.int64)
        """Rows with a label, by tag."""
        self.ties = np.zeros(65, dtype=np.int64)
        """Labelled rows by number of optimal ids."""
        self.targets = np.zeros(dataset.actions)
        """Mass of the label over action ids."""
        self.sequence_entropy: list[float] = []
        """Bits of the mean label of a sequence."""
        self.rewards: list[np.ndarray] = []
        self.lengths: list[np.ndarray] = []
        self.kind_rows: Counter[str] = Counter()
        self.scores: dict[str, list[float]] = defaultdict(list)
        self.steps = np.unique(np.geomspace(1, self.length, 33).round().astype(np.int64))
        self.coverage: list[np.ndarray] = []
        """Share of the states seen after so many rows."""

    def add(self, rows: Rows, table: Table) -> None:
        """Take in sequences and their catalog rows."""
        live = rows.action != self.actions
        self.sequences += len(live)
        self.tags += np.bincount(rows.tag.ravel(), minlength=TAGS)
        self.rewards.append(rows.reward[live])
        state = rows.observation if rows.state is None else rows.state
        self._labels(rows, state, live)
        facts = table.select(["n_s", "behaviours", "oracle_value", "random_value"]).to_pylist()
        for place, fact in enumerate(facts):
            self._episodes(rows.reward[place], ~live[place], fact)
            if fact["n_s"]:
                first = np.sort(np.unique(state[place], return_index=True)[1])
                seen = np.searchsorted(first, self.steps, side="left")
                self.coverage.append(np.minimum(1.0, seen / fact["n_s"]))

    def _labels(self, rows: Rows, state: np.ndarray, live: np.ndarray) -> None:
        masks = np.take_along_axis(rows.oracle[:, self.place].astype(np.uint64), state.astype(np.int64), axis=1)
        masks[~live] = 0
        has = masks != 0
        taken = (masks >> rows.action.astype(np.uint64)) & np.uint64(1)
        self.labelled += np.bincount(rows.tag[has], minlength=TAGS)
        self.right += np.bincount(rows.tag[has], weights=taken[has], minlength=TAGS)
        ids = np.arange(self.actions, dtype=np.uint64)
        for mine in masks:
            values, counts = np.unique(mine[mine != 0], return_counts=True)
            many = np.bitwise_count(values)
            np.add.at(self.ties, many, counts)
            bits = ((values[:, None] >> ids) & np.uint64(1)).astype(np.float64)
            mass = ((bits / many[:, None]) * counts[:, None]).sum(axis=0) if len(values) else np.zeros(self.actions)
            self.targets += mass
            if mass.sum() > 0.0:
                self.sequence_entropy.append(entropy(mass))

    def _episodes(self, reward: np.ndarray, breaks: np.ndarray, fact: dict[str, Any]) -> None:
        ends = np.flatnonzero(breaks)
        begins = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
        self.lengths.append(ends - begins)
        starts = np.array([stretch["start"] for stretch in fact["behaviours"]])
        kinds = [stretch["kind"] for stretch in fact["behaviours"]]
        for kind, rows in zip(kinds, np.diff([*starts, len(reward)]).tolist(), strict=True):
            self.kind_rows[kind] += rows
        oracle, random = fact["oracle_value"], fact["random_value"]
        if oracle is None or not len(ends) or oracle - random < LEAST_GAP:
            return
        total = np.concatenate(([0.0], np.cumsum(reward, dtype=np.float64)))
        scores = (total[ends] - total[begins] - random) / (oracle - random)
        whose = np.searchsorted(starts, begins, side="right") - 1
        for kind in np.unique(whose):
            # an episode's mean by sequence, so that worlds of short episodes do not outweigh the others
            self.scores[kinds[kind]].append(float(scores[whose == kind].mean()))


def entropy(mass: np.ndarray) -> float:
    """Return the entropy of masses, in bits."""
    share = mass[mass > 0] / mass.sum()
    return float(-(share * np.log2(share)).sum())


def parts(dataset: Dataset, shards: list[int], rows: int) -> list[tuple[int, int]]:
    """Return which sequences are looked at, (first, count) each, spread evenly over ``shards``.

    Args:
        dataset: Where they are.
        shards: Where they may lie.
        rows: About how many rows in all; 8 sequences at least.
    """
    wanted = min(max(8, rows // dataset.length), len(shards) * dataset.sequences_per_shard)
    visited = min(len(shards), wanted)
    chosen = [shards[i * len(shards) // visited] for i in range(visited)]
    at_once = max(1, _ROWS_AT_ONCE // dataset.length)
    found = []
    for place, shard in enumerate(chosen):
        count = wanted * (place + 1) // visited - wanted * place // visited
        first = shard * dataset.sequences_per_shard
        found += [(first + i, min(at_once, count - i)) for i in range(0, count, at_once)]
    return found
