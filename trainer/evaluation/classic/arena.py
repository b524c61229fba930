"""Worlds of continuous dynamics to act in, and what the oracle and random play earn there, measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from common.seeding import Purpose, derive_seed
from trainer.evaluation.arena import Outcome, write
from trainer.evaluation.classic.dynamics import Dynamics
from trainer.evaluation.classic.plan import Best, best_action
from trainer.evaluation.record import Record
from trainer.evaluation.reference import Reference

EPISODES = 2048
"""Episodes that measure a reference."""
_MEASURING = 1 << 34


@dataclass(frozen=True, kw_only=True, eq=False)
class Rules:
    """What all worlds of an arena share."""

    dynamics: Dynamics
    limit: int
    """Steps after which an episode is truncated."""
    start: np.ndarray | None
    """(D,) where every episode begins; None: drawn as Gymnasium does."""
    shown: Callable[[np.ndarray], np.ndarray]
    """Rewards that count in, rewards shown out."""
    succeeds: Callable[[np.ndarray, np.ndarray], np.ndarray]
    """(terminated, truncated) in, where an episode ended well out."""


class ClassicArena:
    """W worlds of the same dynamics, one context each, each with labels of its own.

    Args:
        rules: What they share.
        symbol: (W, bins) what shows each bin.
        order: (W, a) the dynamics' action behind each of the player's.
        seeds: W seeds of starts.
    """

    def __init__(self, rules: Rules, symbol: np.ndarray, order: np.ndarray, seeds: Sequence[int]) -> None:
        self.rules, self._symbol, self._order = rules, symbol, order
        self._behind = np.argsort(order, axis=1)
        self._rows = np.arange(len(symbol))
        self._random = [np.random.Generator(np.random.PCG64(seed)) for seed in seeds]
        self._position = np.stack([self._begin(w) for w in range(len(symbol))])
        self._reached = self._position
        self._taken = np.zeros(len(symbol), dtype=np.int64)
        self._last: dict[str, np.ndarray] = {}

    @property
    def worlds(self) -> int:
        """Number of worlds W."""
        return len(self._rows)

    @property
    def n_actions(self) -> np.ndarray:
        """(W,) actions of each world."""
        return np.full(self.worlds, self.rules.dynamics.n_actions)

    @property
    def observation(self) -> np.ndarray:
        """(W,) symbols of the bins the worlds are in."""
        return self._symbol[self._rows, self.state]

    @property
    def state(self) -> np.ndarray:
        """(W,) bins."""
        return self.rules.dynamics.bins(self._position)

    def step(self, actions: np.ndarray) -> Outcome:
        """Take one action in every world."""
        before, action = self.state, self._order[self._rows, actions]
        self._position, paid, terminated = self.rules.dynamics.move(self._position, action)
        self._reached = self._position.copy()
        self._taken += 1
        truncated = ~terminated & (self._taken >= self.rules.limit)
        reached, shown = self.state, self.rules.shown(paid).astype(np.float32)
        told = Outcome(self._symbol[self._rows, reached], shown, terminated, truncated)
        for w in np.flatnonzero(terminated | truncated).tolist():
            self._position[w], self._taken[w] = self._begin(w), 0
        self._last = {
            "state": before,
            "action": action,
            "next_state": reached,
            "reward": shown,
            "paid": paid,
            "terminated": terminated,
            "truncated": truncated,
            "success": self.rules.succeeds(terminated, truncated),
        }
        return told

    def note(self, record: Record, t: int) -> None:
        """Write what the last step was to every world into column ``t``."""
        write(record, t, self._last)

    def spread(self, actions: np.ndarray) -> np.ndarray:
        """Return the players' actions that are the dynamics' ``actions``."""
        return self._behind[self._rows, actions]

    def scene(self, reached: bool = False) -> np.ndarray:
        """Return the first world's position, (D,), or the one its last step led to."""
        return (self._reached if reached else self._position)[0].copy()

    def best(self, policy: Best) -> np.ndarray:
        """Return what a policy does here and now, as the players' actions."""
        return self.spread(policy(self._position, self.rules.limit - self._taken))

    def _begin(self, w: int) -> np.ndarray:
        start = self.rules.start
        return self.rules.dynamics.start(self._random[w]) if start is None else start.copy()


class Planner:
    """The oracle: sees positions and the time that is left, and acts near-optimally."""

    def __init__(self, arena: ClassicArena) -> None:
        self._arena = arena
        self._policy = best_action(arena.rules.dynamics, arena.rules.limit)

    def act(self, observation: np.ndarray) -> np.ndarray:
        """Return an action of each world."""
        return self._arena.best(self._policy)

    def observe(
        self, next_observation: np.ndarray, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray
    ) -> None:
        """Learn nothing."""


def measured(name: str, rules: Rules, seed: int) -> Reference:
    """Return the reference of one world: means over ``EPISODES`` episodes of the planner and of random play.

    The same for every world that shares its rules: labels change nothing.
    """
    random = np.random.Generator(np.random.PCG64(derive_seed(seed, Purpose.OTHER, _MEASURING)))
    planner = best_action(rules.dynamics, rules.limit)
    oracle = _episodes(rules, random, planner)
    aimless = _episodes(
        rules, random, lambda position, _: random.integers(rules.dynamics.n_actions, size=len(position))
    )
    error = [float(paid.std(ddof=1) / np.sqrt(EPISODES)) for paid, _, _ in (oracle, aimless)]
    return Reference(
        name=name,
        oracle_return=float(oracle[0].mean()),
        oracle_length=float(oracle[1].mean()),
        random_return=float(aimless[0].mean()),
        random_length=float(aimless[1].mean()),
        reward_range=max(oracle[2][1], aimless[2][1]) - min(oracle[2][0], aimless[2][0]),
        oracle_error=error[0],
        random_error=error[1],
        how=f"measured over {EPISODES} episodes: the oracle plays by dynamic programming over a fine grid",
    )


def _episodes(
    rules: Rules, random: np.random.Generator, policy: Best
) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Return returns (E,), lengths (E,) and (smallest, largest) reward of episodes side by side."""
    starts = [rules.dynamics.start(random) if rules.start is None else rules.start for _ in range(EPISODES)]
    position, running = np.stack(starts), np.ones(EPISODES, dtype=np.bool_)
    total, length, span = np.zeros(EPISODES), np.zeros(EPISODES), (np.inf, -np.inf)
    for t in range(rules.limit):
        moved, paid, over = rules.dynamics.move(position, policy(position, np.full(EPISODES, rules.limit - t)))
        position = np.where(running[:, None], moved, position)
        total, length = total + running * paid, length + running
        span = min(span[0], float(paid[running].min())), max(span[1], float(paid[running].max()))
        running &= ~over
        if not running.any():
            break
    return total, length, span
