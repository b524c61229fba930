"""Many worlds as one Gymnasium vector environment, stepped by one kernel call: `gym.make_vec("anymdp-v0", 1024)`."""

from collections.abc import Mapping, Sequence
from operator import index
from typing import Any

import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from common.errors import UsageError
from common.worlds.batch import WorldBatch
from common.worlds.environment import (
    METADATA,
    ResetNeeded,
    action_digits,
    check_family,
    check_options,
    check_rendering,
    generator_seed,
    oracle_table,
    spaces,
    world_source,
)
from common.worlds.world import World


class WorldVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """N worlds of one vocabulary and one number of actions, played side by side.

    World by world it does what ``WorldEnv`` does under the same seed, and ``infos`` holds the same facts as arrays:
    ``state`` and ``oracle_action`` int64 (N,), the latter (N, tokens) where actions have several, ``oracle_mask`` bool
    (N, n_actions), beside each its Gymnasium mask (``_state``, ...) of the worlds it is told for.

    ``metadata["autoreset_mode"]`` says how episodes follow each other. ``SAME_STEP``, unless asked otherwise: the step
    that ends an episode returns the next one's first observation; where there is such an end, ``infos`` also holds
    ``final_obs`` (object (N,), None elsewhere), ``final_info`` and their masks. ``NEXT_STEP``: the step after an
    episode's end ignores the action there, resets and pays 0. ``DISABLED``: ended worlds are reset by
    ``reset(options={"reset_mask": mask})`` before the next step.
    """

    def __init__(
        self,
        worlds: Sequence[World] | None = None,
        seeds: Sequence[int] | None = None,
        *,
        num_envs: int | None = None,
        family: str | None = None,
        world_seed: int | Sequence[int] | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        view: str = "matrix",
        render_mode: str | None = None,
        **parameters: Any,
    ) -> None:
        """Take worlds, or draw them.

        Args:
            worlds: N worlds of any sizes, but of one vocabulary and one number of actions. Give neither
                ``world_seed`` nor parameters beside them.
            seeds: N seeds of the first ``reset``, where that is given none.
            num_envs: N, where no worlds are given; 1 unless said.
            family: The family to draw from; ``gym.make_vec("<family>-v0")`` fills it in.
            world_seed: n for worlds n, n + 1, ... of the family, or N seeds of worlds; 0 unless given.
            autoreset_mode: ``SAME_STEP``, ``NEXT_STEP`` or ``DISABLED``; or its value.
            view: What ``render`` draws of each world, ``matrix`` or ``graph``.
            render_mode: ``rgb_array`` or None.
            **parameters: Settings of the family by name, such as ``n_states=16``.

        Raises:
            UsageError: Worlds are given in two ways or in none, or they differ in vocabulary or number of actions, or
                an argument breaks its rule.
        """
        check_rendering(view, render_mode)
        self.render_mode = render_mode
        self.metadata = {**METADATA, "autoreset_mode": _mode(autoreset_mode)}
        self._mode: AutoresetMode = self.metadata["autoreset_mode"]
        self._view = view
        self._draw = world_source(worlds is not None, "worlds", family, world_seed is not None, parameters)
        if worlds is None:
            self.num_envs = 1 if num_envs is None else num_envs
            if self.num_envs < 1:
                raise UsageError(f"num_envs must be >= 1, got {num_envs}")
            worlds = [self._draw(one) for one in self._world_seeds(0 if world_seed is None else world_seed)]
        elif num_envs not in (None, len(worlds)):
            raise UsageError(f"num_envs is the number of worlds, {len(worlds)}, got {num_envs}; leave it out")
        self.num_envs = len(worlds)
        check_family(list(worlds), family)
        self._first_seeds = None if seeds is None else self._per_world(seeds, "seeds")
        self._pictures: list[Any] = []
        self._begun = np.zeros(self.num_envs, dtype=np.bool_)
        self._take(worlds)
        self.single_observation_space, self.single_action_space = spaces(self.worlds[0])
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def _take(self, worlds: Sequence[World]) -> None:
        kinds = sorted({(w.vocabulary, w.n_actions, w.observation_tokens, w.action_tokens) for w in worlds})
        if len(kinds) != 1:
            raise UsageError(
                "a vector environment has at least one world, and its worlds have one vocabulary and one number of "
                "actions, in equally many tokens, got (vocabulary, n_actions, observation tokens, action tokens) "
                f"{kinds}; draw them with the same vocabulary= and n_actions="
            )
        self.worlds = tuple(worlds)
        """The worlds that are played."""
        self._batch = WorldBatch(worlds, [0] * len(worlds), reset_at_once=self._mode is AutoresetMode.SAME_STEP)
        tables = [oracle_table(world) for world in worlds]
        self._oracle_action = np.concatenate([action for action, _ in tables])
        # a state's mask is one or more whole words: taking words is several times faster than taking rows of bytes
        mask = np.concatenate([mask for _, mask in tables])
        words = np.zeros((len(mask), -(-mask.shape[1] // 8) * 8), dtype=np.bool_)
        words[:, : mask.shape[1]] = mask
        self._oracle_words = words.view(np.uint64).squeeze(axis=1) if words.shape[1] == 8 else words.view(np.uint64)
        self._digits = action_digits(worlds[0])
        self._first = np.cumsum([0, *(world.n_states for world in worlds[:-1])])
        self._pictures = []

    def reset(  # type: ignore[override]
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode in every world; return (observations int64 (N,), infos).

        Args:
            seed: s gives world i the seed s + i; or N seeds, where None lets that world's random numbers go on (at
                first from fresh entropy); None is None for each.
            options: ``{"world_seed": n or N seeds}`` goes to other worlds of the family, as at construction.
                ``{"reset_mask": mask}``, bool (N,), resets only those worlds.

        Raises:
            UsageError: An option is unknown or has a wrong shape, or asks for other worlds where worlds were given.
        """
        asked = check_options(options, ("world_seed", "reset_mask"))
        where = self._reset_mask(asked)
        seeds = self._reset_seeds(seed)
        worlds = [self._draw(one) for one in self._world_seeds(asked["world_seed"])] if "world_seed" in asked else None
        super().reset(seed=None if seed is None or isinstance(seed, Sequence | np.ndarray) else index(seed))
        generators = self._batch.random.copy()
        for i in np.flatnonzero(where):
            if seeds[i] is not None:
                generators[i] = generator_seed(seeding.np_random(seeds[i])[0])
            elif not self._begun[i]:
                generators[i] = generator_seed(self.np_random)
        if worlds is not None:
            self._take(worlds)
        self._batch.restart(where, generators[where])
        self._begun |= where
        return self._batch.observation.astype(np.int64), self._infos(self._batch.state, where)

    def step(  # type: ignore[override]
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take an action in every world, integers (N,), or (N, tokens).

        Returns:
            (observations int64, rewards float64, terminations bool, truncations bool, infos), (N,) each, new arrays;
            observations of several tokens (N, tokens).

        Raises:
            UsageError: The actions are no integers of this shape, one is out of range, or a world has no running
                episode (``ResetNeeded``).
        """
        if not self._begun.all():
            raise ResetNeeded(
                "a step needs a running episode in every world, and not all have begun; call reset() first"
            )
        if self._mode is AutoresetMode.DISABLED and self._batch.over.any():
            ended = np.flatnonzero(self._batch.over)
            raise ResetNeeded(
                f"without autoreset ended worlds are reset before the next step, got {ended.size} ended, the first "
                f"{ended[0]}; call reset(options={{'reset_mask': terminations | truncations}})"
            )
        shown, reward, terminated, truncated = self._batch.step(self._counted(actions))
        infos = self._infos(self._batch.state, self._begun)
        if self._mode is AutoresetMode.SAME_STEP:
            ended = terminated | truncated
            if ended.any():
                infos |= self._final(shown, ended)
            shown = self._batch.observation
        return shown.astype(np.int64), reward.astype(np.float64), terminated, truncated, infos

    def _counted(self, actions: np.ndarray) -> np.ndarray:
        """Return actions as numbers (N,): those of several tokens counted, if they are such."""
        if len(self._digits) == 1:
            return actions
        chosen = np.asarray(actions)
        expected, most = (self.num_envs, len(self._digits)), int(self.single_action_space.nvec[0]) - 1  # type: ignore[attr-defined]
        if chosen.shape != expected or chosen.dtype.kind not in "iu" or chosen.min() < 0 or chosen.max() > most:
            raise UsageError(
                f"actions are integers of shape {expected} in 0..{most}, got {chosen.dtype} {chosen.shape}"
                f"{f' from {chosen.min()} to {chosen.max()}' if chosen.size else ''}; action_space.sample() gives such"
            )
        return chosen.astype(np.int64) @ self._digits

    def _infos(self, state: np.ndarray, told: np.ndarray) -> dict[str, Any]:
        place = self._first + state
        words = self._oracle_words.take(place, axis=0).reshape(self.num_envs, -1)
        return {
            "state": state.astype(np.int64),
            "oracle_action": self._oracle_action.take(place, axis=0),
            "oracle_mask": words.view(np.bool_)[:, : self.worlds[0].n_actions],
            "_state": told.copy(),
            "_oracle_action": told.copy(),
            "_oracle_mask": told.copy(),
        }

    def _final(self, shown: np.ndarray, ended: np.ndarray) -> dict[str, Any]:
        final = np.full(self.num_envs, None, dtype=object)
        where = np.flatnonzero(ended)
        for i, last in zip(where.tolist(), shown[where].astype(np.int64), strict=True):
            final[i] = last
        return {
            "final_obs": final,
            "final_info": self._infos(self._batch.reached, ended),
            "_final_obs": ended,
            "_final_info": ended.copy(),
        }

    def render(self) -> tuple[np.ndarray, ...] | None:  # type: ignore[override]
        """Return a picture of each world as ``WorldEnv.render`` does; None without a render mode.

        Raises:
            UsageError: Not all worlds have begun (``ResetNeeded``).
        """
        if self.render_mode is None:
            return None
        if not self._begun.all():
            raise ResetNeeded("pictures show the present states, and no episode has begun; call reset() first")
        if not self._pictures:
            from common.plots_world import WorldPicture  # matplotlib takes half a second to import

            self._pictures = [WorldPicture(world, self._view) for world in self.worlds]
        present = zip(self._pictures, self._batch.state, self._batch.episode_step, strict=True)
        return tuple(picture.frame(int(state), int(steps)) for picture, state, steps in present)

    def close_extras(self, **_: Any) -> None:
        """Forget the pictures."""
        self._pictures = []

    def _reset_mask(self, asked: Mapping[str, Any]) -> np.ndarray:
        """Return which worlds to reset."""
        if "reset_mask" not in asked:
            return np.ones(self.num_envs, dtype=np.bool_)
        mask = np.asarray(asked["reset_mask"])
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            raise UsageError(
                f"reset_mask is bool of shape ({self.num_envs},) with at least one True, got {mask.dtype} "
                f"{mask.shape}, {np.count_nonzero(mask)} True; terminations | truncations is such a mask"
            )
        if "world_seed" in asked:
            raise UsageError("world_seed changes every world, so all are reset; leave reset_mask out")
        return mask

    def _reset_seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        """Return a seed for each world, or None where its random numbers go on."""
        if seed is None:
            first, self._first_seeds = self._first_seeds, None
            return [None] * self.num_envs if first is None else first
        if isinstance(seed, Sequence | np.ndarray):
            return self._per_world(seed, "seeds")
        return [index(seed) + i for i in range(self.num_envs)]

    def _world_seeds(self, seed: int | Sequence[int]) -> list[Any]:
        if isinstance(seed, Sequence | np.ndarray):
            return self._per_world(seed, "world_seed")
        return [index(seed) + i for i in range(self.num_envs)]

    def _per_world(self, seeds: Sequence[int | None], name: str) -> list[int | None]:
        if len(seeds) != self.num_envs:
            raise UsageError(f"{name} must be one for each of {self.num_envs} worlds, got {len(seeds)}")
        return [None if seed is None else index(seed) for seed in seeds]


def _mode(asked: AutoresetMode | str) -> AutoresetMode:
    try:
        return asked if isinstance(asked, AutoresetMode) else AutoresetMode(asked)
    except ValueError:
        names = ", ".join(repr(mode.value) for mode in AutoresetMode)
        raise UsageError(f"autoreset_mode must be one of {names}, got {asked!r}") from None
