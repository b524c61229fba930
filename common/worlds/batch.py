"""Many worlds stepped at once: worlds of any sizes, their generators and an action each in, one kernel call a step."""
# mypy: disable-error-code="no-untyped-def"

from collections.abc import Sequence

import numpy as np

from common.errors import UsageError
from common.kernels import kernel
from common.worlds.emission import emit
from common.worlds.step import reset, take
from common.worlds.world import World


class WorldBatch:
    """Plays W worlds side by side and resets each where its episode ends.

    Every world has its own generator, used as in a rollout: one reset, then the steps of the episode, and so on, and
    where observations are drawn, one right after each state is reached. What
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
            UsageError: Some worlds show more tokens than others.
        """
        if not worlds or len(worlds) != len(seeds):
            raise ValueError(
                f"a batch has at least one world and one seed for each, got {len(worlds)} and {len(seeds)} seeds"
            )
        shapes = sorted({world.observation_shape for world in worlds})
        if len(shapes) > 1:
            raise UsageError(
                f"worlds of a batch show equally many tokens, got observations of shapes {shapes}; part them"
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
            *(world.atomic().arrays() for world in worlds), strict=True
        )
        symbol, hidden, emit_row, emitted, emit_cumulative, atoms, tokens = zip(
            *(world.interface() for world in worlds), strict=True
        )
        start, joined_starts = _join(starts)
        first, joined_symbols = _join(symbol)
        self._shown = np.empty((len(worlds), *shapes[0]), dtype=np.uint16)
        self._starts = (start, joined_starts, _join(start_cumulative)[1])
        self._rows = (
            *_join(row_start),
            *_join(successor),
            *(_join(parts)[1] for parts in (cumulative, reward, noise, terminal)),
            *(np.array(numbers, dtype=np.int64) for numbers in (atoms, tokens)),
        )
        self._sight = (
            first,
            joined_symbols,
            np.array([world.n_states for world in worlds], dtype=np.int64),
            np.array(hidden, dtype=np.int64),
            *_join(emit_row),
            *_join(emitted),
            _join(emit_cumulative)[1],
        )
        self.restart(np.ones(len(worlds), dtype=np.bool_))

    @property
    def observation(self) -> np.ndarray:
        """(W,) uint16, or (W, tokens): what each world shows now, the observation to act on."""
        return self._shown.copy()

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
        shown = self._shown.reshape(-1)
        _reset_all(where, self.random, self._starts, self._sight, self.state, self.episode_step, shown)
        self.over[where] = False

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Take one action in every world, and reset those whose episode ends by it.

        Args:
            actions: (W,) integers, actions[w] in 0..n_actions[w]-1.

        Returns:
            (next observation uint16, reward float32, terminated bool, truncated bool), (W,) each; the observation
            (W, tokens) where it has several. The next observation is the terminal or cut one where an episode ends
            (``observation`` then shows the reset state), and an episode that ends in both ways at once counts as
            terminated only.

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
        next_observation, reward = np.empty_like(self._shown), np.empty(size, dtype=np.float32)
        terminated, truncated = np.empty(size, dtype=np.bool_), np.empty(size, dtype=np.bool_)
        _step_all(
            self.random,
            chosen,
            self.episode_limit,
            self._rows,
            self._starts,
            self._sight,
            self._reset_at_once,
            (self.over, self.state, self.reached, self.episode_step, self._shown.reshape(-1)),
            (next_observation.reshape(-1), reward, terminated, truncated),
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


@kernel(inline=True)
def _show(rng, w, state, sight, out):
    """Write what world w shows in a state to its place in ``out``, flat."""
    first, symbol, n_states, hidden, emit_row, emit_start, emit_entry, emitted, cumulative = sight
    if hidden[w]:
        e = emit_entry[w]
        rows = emit_start[emit_row[w] :]
        emit(rng, state, n_states[w], hidden[w], rows, emitted[e:], cumulative[e:], out, w * hidden[w])
    else:
        out[w] = symbol[first[w] + state]


@kernel(allocates=False)
def _reset_all(where, random, beginning, sight, state, episode_step, shown):
    start, starts, start_cumulative = beginning
    for w in range(state.shape[0]):
        if where[w]:
            rng = random[w : w + 1]
            state[w] = reset(rng, starts[start[w] :], start_cumulative[start[w] :])
            episode_step[w] = 0
            _show(rng, w, state[w], sight, shown)


@kernel(allocates=False)
def _step_all(random, actions, limit, rows, beginning, sight, reset_at_once, now, after):
    row, row_start, entry, successor, cumulative, reward, noise, terminal, atoms, tokens = rows
    start, starts, start_cumulative = beginning
    first = sight[0]
    over, state, reached, episode_step, shown = now
    next_observation, paid, terminated, truncated = after
    width = shown.shape[0] // state.shape[0]
    for w in range(state.shape[0]):
        rng, e = random[w : w + 1], entry[w]
        again = over[w]
        if again:
            following = reset(rng, starts[start[w] :], start_cumulative[start[w] :])
            over[w], terminated[w], truncated[w] = False, False, False
            episode_step[w] = 0
            paid[w] = 0.0
        else:
            following, paid[w] = take(
                rng,
                np.int64(state[w]),
                actions[w],
                atoms[w],
                tokens[w],
                row_start[row[w] :],
                successor[e:],
                cumulative[e:],
                reward[e:],
                noise[e:],
                terminal[first[w] :],
            )
            episode_step[w] += 1
            terminated[w] = terminal[first[w] + following]
            truncated[w] = not terminated[w] and episode_step[w] >= limit[w]
        reached[w] = following
        _show(rng, w, following, sight, next_observation)
        if not again and (terminated[w] or truncated[w]) and reset_at_once:
            following = reset(rng, starts[start[w] :], start_cumulative[start[w] :])
            episode_step[w] = 0
            _show(rng, w, following, sight, shown)
        else:
            over[w] = terminated[w] or truncated[w]
            for i in range(w * width, (w + 1) * width):
                shown[i] = next_observation[i]
        state[w] = following
