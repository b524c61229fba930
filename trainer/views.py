"""An agent that reads each sequence under several sets of names at once and decides by all of them together.

A symbol's number and an action's id carry no meaning (every world of training has names of its own), but a model of
finite size reads its context a little better under some names than under others. Averaging over names takes that part
of its error away, for as many times the work.

Shapes: n sequences, K views of each; inside, sequence i is read in rows i K to i K + K - 1, the first under its names.
"""

from dataclasses import replace

import numpy as np

from common.errors import UsageError
from common.seeding import Purpose, derive_seed
from trainer.agent import Agent, Memory, share_of_uniform
from trainer.folding import Folding

_NAMES = 1 << 36
"""Number of the draws of names among those of an agent's seed."""


class Views(Agent):
    """An ``Agent`` with ``settings.views`` views of each sequence; all that is said of one holds.

    ``logits`` has a row for each view, (n K, A); ``rows`` are those of the first.
    """

    SEVERAL_VIEWS = True

    def reset(self, n: int, n_actions: int | np.ndarray) -> None:
        """Forget everything and begin n sequences with empty contexts (``Agent.reset``)."""
        views = self.settings.views
        super().reset(n * views, np.repeat(np.broadcast_to(np.asarray(n_actions), (max(n, 0),)), views))
        random = np.random.default_rng(derive_seed(self.settings.seed, Purpose.OTHER, _NAMES))
        ids = _permutations(random, self._n, self.actions, views)
        self._names = _permutations(random, self._n, self.vocabulary, views)
        self.folding = Folding(np.take_along_axis(self.folding.action, ids, axis=1))

    def act(self, observation: np.ndarray) -> np.ndarray:
        """Return an action for each sequence (``Agent.act``)."""
        self._must_be(pending=False, call="act")
        return super().act(self._named(observation, "act"))[:: self.settings.views]

    @property
    def entropy(self) -> np.ndarray:
        """(n,) entropy of what the last ``act`` drew its actions from (``Agent.entropy``)."""
        self._must_be(pending=True, call="entropy")
        assert self.logits is not None
        return share_of_uniform(self._together(self.logits), self.folding.n_actions[:: self.settings.views])

    def observe(
        self, next_observation: np.ndarray, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray
    ) -> None:
        """Take in what the last actions brought (``Agent.observe``)."""
        self._must_be(pending=True, call="observe")
        brought = (self._each(what, "observe") for what in (reward, terminated, truncated))
        super().observe(self._named(next_observation, "observe"), *brought)

    def prefill(
        self,
        observation: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray,
        tag: np.ndarray,
        lengths: np.ndarray | None = None,
    ) -> None:
        """Read demonstrations into the context (``Agent.prefill``)."""
        self._must_be(pending=False, call="prefill")
        rest = [self._each(what, "prefill") for what in (action, reward, tag)]
        counts = None if lengths is None else self._each(lengths, "prefill")
        super().prefill(self._named(observation, "prefill"), rest[0], rest[1], rest[2], counts)

    def memory(self) -> Memory:
        """Return a copy of all that the agent carries (``Agent.memory``)."""
        return replace(super().memory(), names=self._names.copy())

    def restore(self, memory: Memory) -> None:
        """Go on from ``memory`` (``Agent.restore``)."""
        super().restore(memory)
        assert memory.names is not None
        self._names = memory.names.copy()

    def rows(self, sequence: int) -> dict[str, np.ndarray]:
        """Return the complete rows of one sequence's context (``Agent.rows``)."""
        return super().rows(sequence * self.settings.views)

    def _sample(self, logits: np.ndarray) -> np.ndarray:
        """Return an action id (n K,) of each view: of the same action in all views of a sequence."""
        action = self._drawn(self._together(logits))
        ids: np.ndarray = self.folding.unfold(np.repeat(action, self.settings.views)[:, None], self._random)[:, 0]
        return ids

    def _together(self, logits: np.ndarray) -> np.ndarray:
        """Return the chances (n, A) of an environment's actions: the views' geometric mean, normalised."""
        chances = self.folding.gather(self._chances(logits))
        log = np.log(np.maximum(chances, 1e-30)).reshape(-1, self.settings.views, self.actions)
        there = np.arange(self.actions) < self.folding.n_actions[:: self.settings.views, None]
        together = np.exp(log.mean(axis=1)) * there
        return np.asarray(together / together.sum(axis=1, keepdims=True))

    def _named(self, observation: np.ndarray, call: str) -> np.ndarray:
        """Return symbols (n, ..) as each view calls them, (n K, ..)."""
        symbols = np.asarray(observation)
        views = self.settings.views
        seen = np.repeat(self._checked(symbols, (self._n // views, *symbols.shape[1:]), call), views, axis=0)
        return np.take_along_axis(self._names, seen.reshape(len(seen), -1), axis=1).reshape(seen.shape)

    def _each(self, values: np.ndarray, call: str) -> np.ndarray:
        """Return what is told of each sequence once for each of its views."""
        array, count = np.asarray(values), self._n // self.settings.views
        if array.shape[:1] != (count,):
            raise UsageError(f"{call} takes one entry for each of the {count} sequences, got shape {array.shape}")
        return np.repeat(array, self.settings.views, axis=0)


def _permutations(random: np.random.Generator, rows: int, size: int, views: int) -> np.ndarray:
    """Return permutations of 0..size-1, (rows, size) int64; the identity in rows that are a sequence's first view."""
    drawn = random.permuted(np.tile(np.arange(size), (rows, 1)), axis=1)
    drawn[::views] = np.arange(size)
    return drawn
