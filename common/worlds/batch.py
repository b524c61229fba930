"""Many worlds stepped at once: worlds of any sizes, their generators and an action each in, one kernel call a step."""
# mypy: disable-error-code="no-untyped-def"

from collections.abc import Sequence

import numpy as np

from common.errors import UsageError
from common.kernels import kernel
from common.worlds.step import reset, step
from common.worlds.world import World


class WorldBatch:
    """Plays W worlds side by side and resets each where its episode ends.

    Every world has its own generator, used as in a rollout: one reset, then the steps of the episode, and so on. What
    happens in a world is thus a function of that world, its seed and its actions, whatever else is in the batch.
    About 60 ns a step and world, half of it reward noise, and 5 us a call.
    """

    def __init__(self, worlds: Sequence[World], seeds: Sequence[int], *, reset_at_once: bool = True) -> None:
        """Reset every world.

        Args:
            worlds: W >= 1 worlds of any sizes; a world may occur several times.
            seeds: W seeds in [0, 2**64), one generator each.
            reset_at_once: Whether the step that ends an episode resets the world too. Else the world stays where its
                episode ended (``over``), and the next step resets it, whatever the action, and pays 0.

        Raises:
            ValueError: There is no world, or not one seed for each, or a seed is out of range.
        """
        if not worlds or len(worlds) != len(seeds):
            raise ValueError(
                f"a batch has at least one world and one seed for each, got {len(worlds)} and {len(seeds)} seeds"
            )
        self.random = _generators(seeds)
        """(W,) uint64: the state of each world's generator."""
        self.worlds = tuple(worlds)
        self.n_actions = np.array([world.n_actions for world in worlds], dtype=np.int64)
        """(W,) int64: actions of world w are 0..n_actions[w]-1."""
        self.episode_limit = np.array([world.episode_limit for world in worlds], dtype=np.int64)
        """(W,) int64: steps after which an episode is truncated."""
        self.state = np.zeros(len(worlds), dtype=np.int32)
        """(W,) int32: where each world is."""
        self.episode_step = np.zeros(len(worlds), dtype=np.int64)
        """(W,) int64: steps taken in the running episode."""
        self.reached = np.zeros(len(worlds), dtype=np.int32)
        """(W,) int32: where the last step led each world, before any reset of the same step."""
        self.over = np.zeros(len(worlds), dtype=np.bool_)
        """(W,) bool: worlds that the next step will reset; none where they are reset at once."""
        self._reset_at_once = reset_at_once
        row_start, successor, cumulative, reward, noise, starts, start_cumulative, terminal = zip(
            *(world.arrays() for world in worlds), strict=True
        )
        self._row, self._row_start = _join(row_start)
        self._entry, self._successor = _join(successor)
        self._cumulative, self._reward, self._noise = (_join(x)[1] for x in (cumulative, reward, noise))
        self._start, self._starts = _join(starts)
        self._start_cumulative = _join(start_cumulative)[1]
        self._first, self._terminal = _join(terminal)
        self._symbol = _join([world.symbol for world in worlds])[1]
        self.restart(np.ones(len(worlds), dtype=np.bool_))

    @property
    def observation(self) -> np.ndarray:
        """(W,) uint16: the symbol each world shows now, the one to act on."""
        return self._symbol[self._first + self.state]

    def restart(self, where: np.ndarray, seeds: Sequence[int] | None = None) -> None:
        """Begin a new episode in some worlds.

        Args:
            where: (W,) bool, the worlds.
            seeds: A seed in [0, 2**64) for the generator of each of them, in order; else the generators go on.

        Raises:
            ValueError: ``where`` has another shape or type, or there is not one seed for each, or one is out of range.
        """
        if where.shape != self.state.shape or where.dtype != np.bool_:
            raise ValueError(f"where is bool of shape {self.state.shape}, got {where.dtype} {where.shape}")
        if seeds is not None:
            if len(seeds) != where.sum():
                raise ValueError(f"there is one seed for each of {where.sum()} worlds, got {len(seeds)}")
            self.random[where] = _generators(seeds)
        _reset_all(where, self.random, self._start, self._starts, self._start_cumulative, self.state, self.episode_step)
        self.over[where] = False

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Take one action in every world, and reset those whose episode ends by it.

        Args:
            actions: (W,) integers, actions[w] in 0..n_actions[w]-1.

        Returns:
            (next observation uint16, reward float32, terminated bool, truncated bool), (W,) each. The next observation
            is the terminal or cut one where an episode ends (``observation`` then shows the reset state), and
            an episode that ends in both ways at once counts as terminated only.

        Raises:
            UsageError: The actions are no integers of shape (W,) or one is out of range; nothing has moved.
        """
        chosen = np.asarray(actions)
        if chosen.shape != self.state.shape or chosen.dtype.kind not in "iu":
            raise UsageError(
                f"actions are integers of shape {self.state.shape}, one a world, got {chosen.dtype} {chosen.shape}"
            )
        chosen = chosen.astype(np.int64)
        wrong = (chosen < 0) | (chosen >= self.n_actions)
        if wrong.any():
            w = int(np.argmax(wrong))
            raise UsageError(
                f"action of world {w} must lie in 0..{self.n_actions[w] - 1}, got {chosen[w]}; "
                "n_actions says how many each world has"
            )
        size = self.state.shape
        next_observation, reward = np.empty(size, dtype=np.uint16), np.empty(size, dtype=np.float32)
        terminated, truncated = np.empty(size, dtype=np.bool_), np.empty(size, dtype=np.bool_)
        _step_all(
            self.random,
            chosen,
            self.n_actions,
            self.episode_limit,
            self._row,
            self._row_start,
            self._entry,
            self._successor,
            self._cumulative,
            self._reward,
            self._noise,
            self._start,
            self._starts,
            self._start_cumulative,
            self._first,
            self._terminal,
            self._symbol,
            self._reset_at_once,
            self.over,
            self.state,
            self.reached,
            self.episode_step,
            next_observation,
            reward,
            terminated,
            truncated,
        )
        return next_observation, reward, terminated, truncated


def _join(parts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return where each part begins, int64 (W,), and all parts end to end."""
    begin = np.cumsum([0, *(part.shape[0] for part in parts[:-1])]).astype(np.int64)
    return begin, np.concatenate(parts)


def _generators(seeds: Sequence[int]) -> np.ndarray:
    if not all(0 <= int(seed) < 1 << 64 for seed in seeds):
        raise ValueError("seeds lie in [0, 2**64); take them from common.seeding.derive_seed")
    return np.array([int(seed) for seed in seeds], dtype=np.uint64)


@kernel(allocates=False)
def _reset_all(where, random, start, starts, start_cumulative, state, episode_step):
    for w in range(state.shape[0]):
        if where[w]:
            state[w] = reset(random[w : w + 1], starts[start[w] :], start_cumulative[start[w] :])
            episode_step[w] = 0


@kernel(allocates=False)
def _step_all(
    random,
    actions,
    n_actions,
    limit,
    row,
    row_start,
    entry,
    successor,
    cumulative,
    reward,
    noise,
    start,
    starts,
    start_cumulative,
    first,
    terminal,
    symbol,
    reset_at_once,
    over,
    state,
    reached,
    episode_step,
    next_observation,
    paid,
    terminated,
    truncated,
):
    for w in range(state.shape[0]):
        rng, e = random[w : w + 1], entry[w]
        if over[w]:
            following = reset(rng, starts[start[w] :], start_cumulative[start[w] :])
            over[w], terminated[w], truncated[w] = False, False, False
            episode_step[w] = 0
            paid[w] = 0.0
            next_observation[w] = symbol[first[w] + following]
            reached[w] = following
        else:
            following, paid[w] = step(
                rng,
                np.int64(state[w]),
                actions[w],
                n_actions[w],
                row_start[row[w] :],
                successor[e:],
                cumulative[e:],
                reward[e:],
                noise[e:],
            )
            episode_step[w] += 1
            next_observation[w] = symbol[first[w] + following]
            reached[w] = following
            terminated[w] = terminal[first[w] + following]
            truncated[w] = not terminated[w] and episode_step[w] >= limit[w]
            if terminated[w] or truncated[w]:
                if reset_at_once:
                    following = reset(rng, starts[start[w] :], start_cumulative[start[w] :])
                    episode_step[w] = 0
                else:
                    over[w] = True
        state[w] = following
