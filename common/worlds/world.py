"""A world: one finite Markov decision process as frozen arrays, with the way back to dense form."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from common.worlds.dense import checked
from common.worlds.emission import NOTHING, Emission

NEVER_DRAWN = 2.0**-54
"""Entries below this leave their row's sum as it is, and no uniform number of 53 bits falls on them."""


@dataclass(frozen=True, eq=False)
class RewardTable:
    """Mean and noise of the reward of every (s, a, s'), possible or not, as a sum of two parts.

    ``to_dense`` shows it; stepping reads the sparse entries only.
    """

    mean: np.ndarray
    """(n, a, n), or (n, a, 1) where the rest depends on s' alone; float64."""
    noise: np.ndarray
    """Standard deviation, shaped like ``mean``."""
    mean_next: np.ndarray | float = 0.0
    """(n,) part of the mean that depends on s' alone; rows of terminal states stay zero."""
    noise_next: np.ndarray | float = 0.0
    """(n,) part of the noise that depends on s' alone."""

    def dense(self, terminal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and noise, (n, a, n) each, newly allocated."""
        n, a, _ = self.mean.shape
        live = np.where(terminal, 0.0, 1.0)[:, None, None]
        mean = np.broadcast_to(self.mean + live * self.mean_next, (n, a, n)).copy()
        noise = np.broadcast_to(self.noise + live * self.noise_next, (n, a, n)).copy()
        return mean, noise


@dataclass(frozen=True, eq=False)
class Known:
    """What drawing a world has found out on the way, so that its labels need less work; they are the same without."""

    discount: float
    policy: np.ndarray
    """(n,) int64: an optimal action of each state at that discount."""
    oracle: float
    """Exact expected return of an episode of that policy, as ``episode_return`` has it."""
    random: float
    """The same of the uniform policy."""
    of: tuple[np.ndarray, np.ndarray, float]
    """The world's ``probability``, ``reward`` and ``max_steps``: of a world with others nothing is known."""


_NOTHING_KNOWN = (np.empty(0, dtype=np.int64), 0.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False, kw_only=True)
class World:
    """A finite MDP. States are 0..n-1 in rank order and are shown as ``symbol[state]``.

    Transitions are sparse rows: row ``s * n_actions + a`` holds the entries ``row_start[row]:row_start[row + 1]`` of
    the flat arrays, sorted by falling probability (ties by state). Rows of terminal states are empty. All arrays are
    read-only and C-contiguous. ``World.from_dense`` makes one from plain arrays.

    A family may leave entries under ``NEVER_DRAWN`` out of its rows: steps, values and returns are the same to rounding
    (a row loses less than 1e-14), ``to_dense`` shows them all.
    """

    n_states: int
    n_actions: int
    row_start: np.ndarray
    """(n * a + 1,) int32."""
    successor: np.ndarray
    """(entries,) uint16: the successor's state."""
    probability: np.ndarray
    """(entries,) float64, over 0; a row sums to 1."""
    cumulative: np.ndarray
    """(entries,) float64: running sum of ``probability`` in its row; exactly 1 at the row's last entry."""
    reward: np.ndarray
    """(entries,) float64: mean reward of (s, a, s')."""
    noise: np.ndarray
    """(entries,) float64: standard deviation of the reward's Gaussian noise."""
    start_states: np.ndarray
    """(starts,) int32."""
    start_probabilities: np.ndarray
    """(starts,) float64, sums to 1."""
    terminal: np.ndarray
    """(n,) bool: entering one ends the episode; its value is 0."""
    max_steps: float
    """An episode is truncated after ceil(max_steps) steps."""
    symbol: np.ndarray
    """(n,) uint16: the observation that shows each state, an injection into 0..vocabulary-1 (a bandit's end apart).

    Where ``emission`` hides the state this is only what labels call it: the state itself.
    """
    vocabulary: int
    """Number of observation symbols."""
    family: str = "custom"
    version: int = 1
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """With family, version and seed, rebuilds the world exactly."""
    seed: int | None = None
    counted_states: int | None = None
    """n_s as the catalog has it where it is not ``n_states`` (a bandit's end is not counted)."""
    reward_table: RewardTable | None = None
    """Where the family defines rewards beyond the transitions that can happen."""
    transition_table: Callable[[], np.ndarray] | None = None
    """Where rows leave out entries under ``NEVER_DRAWN``: makes the whole transitions, (n, a, n) float64, anew."""
    rejections: Mapping[str, int] = field(default_factory=dict)
    """Candidates drawn and dropped before this world, by check."""
    known: Known | None = None
    """What was found out when it was drawn, if anything."""
    emission: Emission | None = None
    """Where the state is hidden: what is shown instead of ``symbol``."""
    atoms: "World | None" = None
    """Where a step takes several actions one after another: the world of the single ones, which is what is played.
    This world's rows are those of whole steps (``common.worlds.macro``).
    """
    action_tokens: int = 1
    """Actions of a step, d_a; ``n_actions`` is ``atoms.n_actions ** action_tokens``."""

    def __post_init__(self) -> None:
        for value in self.__dict__.values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def __repr__(self) -> str:
        """Name the world without its arrays."""
        return f"World({self.family!r}, n_states={self.n_states}, n_actions={self.n_actions}, seed={self.seed})"

    @property
    def episode_limit(self) -> int:
        """Steps after which an episode is truncated, ceil(max_steps)."""
        return int(np.ceil(self.max_steps))

    @property
    def n_s(self) -> int:
        """Number of states as the paper counts them."""
        return self.n_states if self.counted_states is None else self.counted_states

    @property
    def observation_tokens(self) -> int:
        """Symbols of an observation."""
        return 1 if self.emission is None else self.emission.tokens

    @property
    def observation_shape(self) -> tuple[int, ...]:
        """Shape of one observation: () for a symbol, (tokens,) for several."""
        return () if self.observation_tokens == 1 else (self.observation_tokens,)

    def interface(self) -> tuple[Any, ...]:
        """Return what kernels need beside ``atomic().arrays()`` to show a world and to act in it.

        ``(symbol, tokens shown by emission or 0 where nothing is hidden, emission's row_start, symbol, cumulative,
        actions of an atom, atoms of a step)``.
        """
        hidden, rows = 0, NOTHING
        if self.emission is not None:
            hidden = self.emission.tokens
            rows = (self.emission.row_start, self.emission.symbol, self.emission.cumulative)
        return (self.symbol, hidden, *rows, self.atomic().n_actions, self.action_tokens)

    def hints(self) -> tuple[np.ndarray, float, float, float]:
        """Return ``known`` as kernels take it: (policy, discount, oracle, random); no policy if there is none."""
        known = self.known
        if known is None or known.of[0] is not self.probability or known.of[1] is not self.reward:
            return _NOTHING_KNOWN
        if known.of[2] != self.max_steps:
            return _NOTHING_KNOWN
        return known.policy, known.discount, known.oracle, known.random

    def atomic(self) -> "World":
        """Return the world whose rows are played: that of single actions where a step takes several."""
        return self if self.atoms is None else self.atoms

    def arrays(self) -> tuple[np.ndarray, ...]:
        """Return what step and rollout kernels take, in their order.

        ``(row_start, successor, cumulative, reward, noise, start_states, start_cumulative, terminal)``.
        """
        start = np.cumsum(self.start_probabilities)
        start[-1] = 1.0
        start.flags.writeable = False
        return (
            self.row_start,
            self.successor,
            self.cumulative,
            self.reward,
            self.noise,
            self.start_states,
            start,
            self.terminal,
        )

    @classmethod
    def from_dense(
        cls,
        transition: np.ndarray,
        reward: np.ndarray,
        reward_noise: np.ndarray,
        start_states: np.ndarray,
        start_probabilities: np.ndarray,
        terminal_states: np.ndarray,
        max_steps: float,
    ) -> "World":
        """Make a world of family ``custom`` from dense arrays; its symbols are its states.

        Args:
            transition: (n, a, n) P(s'|s,a); rows of terminal states all zero, every other row sums to 1.
            reward: (n, a, n) mean reward.
            reward_noise: (n, a, n) standard deviation of its noise, >= 0.
            start_states: (k,) states an episode can start in, none terminal.
            start_probabilities: (k,) their probabilities, summing to 1.
            terminal_states: (m,) states that end an episode.
            max_steps: Episode cap, > 0.

        Raises:
            UsageError: An array breaks one of these rules; the message names rule, value and remedy.
        """
        p, mean, noise, starts, start_p, ends, limit = checked(
            transition, reward, reward_noise, start_states, start_probabilities, terminal_states, max_steps
        )
        n, a, _ = p.shape
        terminal = np.zeros(n, dtype=np.bool_)
        terminal[ends] = True
        # by row, then falling probability, then state: np.nonzero is ordered by (row, state), lexsort is stable
        row, state = np.nonzero(p.reshape(n * a, n) > 0.0)
        order = np.lexsort((-p.reshape(n * a, n)[row, state], row))
        row, state = row[order], state[order]
        probability = p.reshape(n * a, n)[row, state]
        row_start = np.zeros(n * a + 1, dtype=np.int32)
        np.cumsum(np.bincount(row, minlength=n * a), out=row_start[1:])
        return cls(
            n_states=n,
            n_actions=a,
            row_start=row_start,
            successor=state.astype(np.uint16),
            probability=probability,
            cumulative=_cumulative(probability, row_start),
            reward=mean.reshape(n * a, n)[row, state],
            noise=noise.reshape(n * a, n)[row, state],
            start_states=starts.astype(np.int32),
            start_probabilities=start_p.copy(),
            terminal=terminal,
            max_steps=limit,
            symbol=np.arange(n, dtype=np.uint16),
            vocabulary=n,
            reward_table=RewardTable(mean.copy(), noise.copy()),
        )

    def to_dense(self) -> dict[str, Any]:
        """Return the seven arguments of ``from_dense`` by name.

        Reward and noise of a (s, a, s') that cannot happen are 0 unless the family defines them.
        """
        n, a = self.n_states, self.n_actions
        transition = np.zeros((n, a, n)) if self.transition_table is None else self.transition_table()
        transition = transition.reshape(n * a, n)
        row = np.repeat(np.arange(n * a), np.diff(self.row_start))
        transition[row, self.successor] = self.probability
        if self.reward_table is not None:
            mean, noise = self.reward_table.dense(self.terminal)
        else:
            mean, noise = np.zeros((n * a, n)), np.zeros((n * a, n))
            mean[row, self.successor], noise[row, self.successor] = self.reward, self.noise
        return {
            "transition": transition.reshape(n, a, n),
            "reward": mean.reshape(n, a, n),
            "reward_noise": noise.reshape(n, a, n),
            "start_states": self.start_states.copy(),
            "start_probabilities": self.start_probabilities.copy(),
            "terminal_states": np.flatnonzero(self.terminal),
            "max_steps": self.max_steps,
        }


def _cumulative(probability: np.ndarray, row_start: np.ndarray) -> np.ndarray:
    total = np.empty_like(probability)
    for first, last in pairwise(row_start):
        if last > first:
            np.minimum(np.cumsum(probability[first:last]), 1.0, out=total[first:last])
            total[last - 1] = 1.0
    return total
