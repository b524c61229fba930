"""One world as a Gymnasium environment, over the kernels that make the data.

`gym.make("anymdp-v0")` draws a world of a family, `WorldEnv(world)` takes any.

A step costs about 4 us. ``common.worlds.vector`` steps many worlds at once.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.spaces import Discrete, MultiDiscrete

from common.config import parse
from common.errors import UsageError
from common.random import generator
from common.worlds.emission import emit
from common.worlds.registry import draw_world, family
from common.worlds.solve import optimal_actions, solve
from common.worlds.step import reset, take
from common.worlds.world import World

DISCOUNT = 0.994
"""Of the oracle in ``info``."""
VIEWS = ("matrix", "graph")
"""What ``render`` can draw: the transition matrix and the value curve, or states and their transitions."""
METADATA = {"render_modes": ["rgb_array"], "render_fps": 10}


class ResetNeeded(UsageError, gymnasium.error.ResetNeeded):
    """Something was asked of an episode that has not begun or is over."""


class WorldEnv(gymnasium.Env[Any, Any]):
    """A world to act in.

    Observations are the world's symbols, ``Discrete(vocabulary)``; actions ``Discrete(n_actions)``; where either has
    several tokens, ``MultiDiscrete`` of as many. Rewards have single precision, as in a dataset. An episode terminates
    in a terminal state and is truncated after ``world.episode_limit`` steps; one that does both at once terminates.

    Every ``info`` holds ``state`` (the true state, a rank), ``oracle_mask`` (bool (n_actions,): the optimal actions
    there at discount .994, ties included) and ``oracle_action`` (the first of them, as ``step`` takes it). In a
    terminal state nothing is optimal: the mask is empty and the action -1. The mask counts actions of several tokens as
    ``a_0 n_a**(d_a - 1) + a_1 n_a**(d_a - 2) + ...``.
    """

    metadata: ClassVar[dict[str, Any]] = METADATA  # type: ignore[misc]

    def __init__(
        self,
        world: World | None = None,
        *,
        family: str | None = None,
        world_seed: int | None = None,
        view: str = "matrix",
        render_mode: str | None = None,
        **parameters: Any,
    ) -> None:
        """Take a world, or draw one.

        Args:
            world: The world, which then stays; give neither ``world_seed`` nor parameters beside it.
            family: The family to draw from; ``gym.make("<family>-v0")`` fills it in.
            world_seed: Which world of the family, 0 unless given. It stays too, until
                ``reset(options={"world_seed": n})`` draws another with the same parameters.
            view: What ``render`` draws, ``matrix`` or ``graph``.
            render_mode: ``rgb_array`` or None.
            **parameters: Settings of the family by name, such as ``n_states=16``.

        Raises:
            UsageError: Neither or both of world and family are given, or a setting is unknown or breaks its rule.
        """
        check_rendering(view, render_mode)
        self.render_mode = render_mode
        self._view = view
        self._draw = world_source(world is not None, "world", family, world_seed is not None, parameters)
        self._picture: Any = None
        self._rng: np.ndarray | None = None
        self._over = True
        self._state, self._steps = 0, 0
        self._take(world if world is not None else self._draw(world_seed or 0))
        check_family([self.world], family)
        self.observation_space, self.action_space = spaces(self.world)

    def _take(self, world: World) -> None:
        self.world = world
        """The world that is played."""
        arrays = world.atomic().arrays()
        self._rows, self._starts, self._terminal = arrays[:5], arrays[5:7], arrays[7]
        self._limit = world.episode_limit
        self._symbol, self._hidden, *self._emission, self._atoms, self._tokens = world.interface()
        self._digits = action_digits(world)
        self._oracle_action, self._oracle_mask = oracle_table(world)
        self._picture = None

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; return (observation, info).

        Args:
            seed: Seeds everything the environment draws, the world apart. Without it, random numbers go on where they
                are (at first from fresh entropy).
            options: ``{"world_seed": n}`` goes to world n of the family, with the same parameters, and stays there.

        Raises:
            UsageError: An option is unknown, or asks for another world where the world was given.
        """
        super().reset(seed=seed)
        asked = check_options(options, ("world_seed",))
        if "world_seed" in asked:
            self._take(self._draw(asked["world_seed"]))
        if seed is not None or self._rng is None:
            self._rng = generator(generator_seed(self.np_random))
        self._state = reset(self._rng, *self._starts)
        self._steps, self._over = 0, False
        return self._observe(), self._info()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take an action; return (observation, reward, terminated, truncated, info).

        Raises:
            UsageError: The action is out of range, or no episode is running (``ResetNeeded``).
        """
        if self._over or self._rng is None:
            which = "has ended" if self._rng is not None else "has not begun"
            raise ResetNeeded(f"a step needs a running episode, and this one {which}; call reset() first")
        if not self.action_space.contains(action):
            several = f"{self._tokens} integers" if self._tokens > 1 else "an integer"
            raise UsageError(
                f"an action is {several} in 0..{self._atoms - 1}, got {action!r}; "
                "action_space.sample() gives valid ones"
            )
        index = int(action) if self._tokens == 1 else int(np.dot(action, self._digits))
        self._state, reward = take(
            self._rng, self._state, index, self._atoms, self._tokens, *self._rows, self._terminal
        )
        self._steps += 1
        terminated = bool(self._terminal[self._state])
        truncated = not terminated and self._steps >= self._limit
        self._over = terminated or truncated
        return self._observe(), float(np.float32(reward)), terminated, truncated, self._info()

    def _observe(self) -> Any:
        """Return what the present state shows; where that is drawn, once for each state reached."""
        if not self._hidden:
            return int(self._symbol[self._state])
        shown = np.empty(self._hidden, dtype=np.int64)
        emit(self._rng, self._state, self.world.n_states, self._hidden, *self._emission, shown, 0)
        return int(shown[0]) if self._hidden == 1 else shown

    def _info(self) -> dict[str, Any]:
        best = self._oracle_action[self._state]
        return {
            "state": int(self._state),
            "oracle_action": best.copy() if self._tokens > 1 else int(best),
            "oracle_mask": self._oracle_mask[self._state].copy(),
        }

    def render(self) -> np.ndarray | None:  # type: ignore[override]
        """Return the world and the present state as a picture, uint8 (height, width, 3); None without a render mode.

        The first picture of a world takes about a second, the next ones milliseconds.

        Raises:
            UsageError: No episode has begun (``ResetNeeded``).
        """
        if self.render_mode is None:
            gymnasium.logger.warn('render() draws only with a render mode; make the environment with "rgb_array"')
            return None
        if self._rng is None:
            raise ResetNeeded("a picture shows the present state, and no episode has begun; call reset() first")
        if self._picture is None:
            from common.plots_world import WorldPicture  # matplotlib takes half a second to import

            self._picture = WorldPicture(self.world, self._view)
        return self._picture.frame(int(self._state), self._steps)

    def close(self) -> None:
        """Forget the picture."""
        self._picture = None


def oracle_table(world: World, discount: float = DISCOUNT) -> tuple[np.ndarray, np.ndarray]:
    """Return what is optimal in each state: the first such action, int64 (n,), and all of them, bool (n, a).

    In terminal states -1 and none. Actions of several tokens are (n, tokens).
    """
    mask = optimal_actions(solve(world, discount))
    mask[world.terminal] = False
    action = mask.argmax(axis=1).astype(np.int64)
    if world.action_tokens > 1:
        action = action[:, None] // action_digits(world) % world.atomic().n_actions
    action[world.terminal] = -1
    return action, mask


def action_digits(world: World) -> np.ndarray:
    """Return what each token of an action counts in the action's number, int64 (tokens,)."""
    return world.atomic().n_actions ** np.arange(world.action_tokens - 1, -1, -1)


def spaces(world: World) -> tuple[gymnasium.Space[Any], gymnasium.Space[Any]]:
    """Return the spaces of a world's observations and actions: MultiDiscrete where there are several tokens."""
    seen, acted = world.observation_tokens, world.action_tokens
    return (
        MultiDiscrete([world.vocabulary] * seen) if seen > 1 else Discrete(world.vocabulary),
        MultiDiscrete([world.atomic().n_actions] * acted) if acted > 1 else Discrete(world.n_actions),
    )


def generator_seed(np_random: np.random.Generator) -> int:
    """Return the seed of a world's generator, drawn from an environment's own."""
    return int(np_random.integers(1 << 64, dtype=np.uint64))


def world_source(
    given: bool, name: str, chosen: str | None, seeded: bool, parameters: dict[str, Any]
) -> Callable[[int], World]:
    """Return what draws the world of a seed, after checking that worlds are given in one way only.

    Args:
        given: Whether the caller was handed the world or worlds.
        name: How the argument for them is called.
        chosen: The family, if any.
        seeded: Whether a ``world_seed`` was given.
        parameters: Settings of the family.

    Raises:
        UsageError: Worlds are given in two ways or in none, or a setting is unknown or breaks its rule.
    """
    if given:
        if seeded or parameters:
            told = ", ".join([*(["world_seed"] if seeded else []), *parameters])
            raise UsageError(f"{name} already says everything about the world, got also {told}; leave one of them out")
        return partial(_refuse_to_draw, name)
    if chosen is None:
        raise UsageError(f'an environment needs {name}= or family=; for example family="anymdp"')
    drawn_from = family(chosen)
    return partial(draw_world, drawn_from, parse(drawn_from.parameters, parameters, f"family {chosen!r}"))


def _refuse_to_draw(name: str, seed: int) -> World:
    raise UsageError(
        f"option world_seed = {seed} draws a world of the environment's family, but this one was made with {name}=; "
        'make it with gym.make("<family>-v0") instead'
    )


def check_family(worlds: list[World], chosen: str | None) -> None:
    """Raise UsageError where an id such as ``anymdp-v0`` is given a world of another family."""
    for world in worlds:
        if chosen is not None and world.family != chosen:
            raise UsageError(
                f"{chosen}-v0 takes worlds of family {chosen!r}, got one of {world.family!r}; "
                "WorldEnv(world) and WorldVectorEnv(worlds) take any"
            )


def check_rendering(view: str, render_mode: str | None) -> None:
    """Raise UsageError unless ``render`` knows the view and the mode."""
    if view not in VIEWS:
        raise UsageError(f"view must be one of {', '.join(VIEWS)}, got {view!r}")
    if render_mode not in (None, *METADATA["render_modes"]):  # type: ignore[misc]
        raise UsageError(f"render_mode must be 'rgb_array' or None, got {render_mode!r}")


def check_options(options: Mapping[str, Any] | None, known: tuple[str, ...]) -> Mapping[str, Any]:
    """Return the options of a reset; raise UsageError at one that does not exist."""
    for name in options or {}:
        if name not in known:
            raise UsageError(f"reset has no option {name!r}; there are {', '.join(known)}")
    return options or {}
