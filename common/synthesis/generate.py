"""Sequences from a recipe: (recipe, purpose, index) in, one sequence out, the same whatever was made before it."""

from collections import OrderedDict
from dataclasses import replace
from typing import Any

import numpy as np

from common.agents.behaviour import Behaviour
from common.dataset.schema import MAX_ACTIONS
from common.draw import draw
from common.errors import NoWorldError, UsageError
from common.random import choose, generator, uniform
from common.seeding import Purpose, derive_seed, stream_seed
from common.synthesis.action_map import draw_action_map
from common.synthesis.recipe import Recipe
from common.synthesis.record import MIX, WORLD, Mixture, record
from common.synthesis.sequences import Sequences
from common.synthesis.task import Task, prepare
from common.worlds import World
from common.worlds.registry import draw_world, family

_MOST_SETTINGS = 1000
"""A sequence whose family refuses so many drawn settings is an error of the recipe."""
_SETTINGS = MIX + 1
"""Stream of a sequence's drawn settings: family, parameters, whether behaviours change, action map."""
_KEPT = 32 << 20
"""Bytes of tasks kept ready, where sequences share them."""


class Synthesis:
    """A recipe made ready, for one purpose: ask it for sequences by index."""

    def __init__(self, recipe: Recipe, purpose: Purpose = Purpose.TRAIN) -> None:
        self.recipe = recipe
        self.purpose = purpose
        self._mixture = Mixture(recipe.behaviours)
        self._families = [family(choice.family) for choice in recipe.families]
        self._weights = np.array([choice.weight for choice in recipe.families], dtype=np.float64)
        self._fixed = [self._settings(choice) for choice in range(len(recipe.families))]
        self._kept: OrderedDict[int, tuple[Task, float]] = OrderedDict()
        self._kept_bytes = 0
        self._shares = purpose == Purpose.TRAIN and (recipe.tasks is not None or recipe.sequences_per_task > 1)
        self._shape = (recipe.length, recipe.vocabulary, recipe.actions, recipe.observation_tokens, recipe.hides_state)

    def room(self, count: int) -> Sequences:
        """Return room for ``count`` sequences of the recipe, not initialised."""
        return Sequences.empty(count, *self._shape)

    def world(self, index: int) -> World:
        """Return the world of sequence ``index``."""
        return self._world(self.task(index))[0]

    def task(self, index: int) -> int:
        """Return the first sequence that has the world of sequence ``index``."""
        if not self._shares:
            return index
        several = self.recipe.sequences_per_task
        group = index // several
        return (group if self.recipe.tasks is None else group % self.recipe.tasks) * several

    def write(self, index: int, out: Sequences, place: int) -> dict[str, Any]:
        """Write sequence ``index`` to row ``place`` of ``out`` and return its catalog row."""
        number = self.task(index)
        task, coin = self._task(number)
        seed = derive_seed(self.recipe.seed, self.purpose, index)
        if index != number:  # the world and how its actions are recorded are the task's, all else is the sequence's
            coin = float(uniform(generator(stream_seed(seed, _SETTINGS))))
        seeds = [stream_seed(seed, stream) for stream in range(_SETTINGS)]
        switch = self.recipe.switch_probability if coin < self.recipe.switch_share else 0.0
        return {"sequence": index, **record(task, self._mixture, switch, seeds, out, place)}

    def _task(self, number: int) -> tuple[Task, float]:
        """Return a task ready for its sequences, and the number that decides whether its first changes behaviours."""
        kept = self._kept.get(number)
        if kept is not None:
            return kept
        world, rng = self._world(number)
        coin = float(uniform(rng))
        made = prepare(world, draw_action_map(rng, self.recipe.actions, world.n_actions), self.recipe.restarts), coin
        if self._shares:
            self._kept[number] = made
            self._kept_bytes += made[0].size
            while len(self._kept) > 1 and self._kept_bytes > _KEPT:
                self._kept_bytes -= self._kept.popitem(last=False)[1][0].size
        return made

    def _settings(self, choice: int, rng: np.ndarray | None = None) -> Any:
        """Return a family's settings, drawn where they are to be drawn; without ``rng``, None where any is."""
        drawn = self.recipe.families[choice].parameters
        if rng is None and not all(isinstance(what, bool | int | float | str) for what in drawn.values()):
            return None
        # by name: the order in which a recipe writes them is no part of its identity
        values = {name: drawn[name] if rng is None else draw(rng, drawn[name]) for name in sorted(drawn)}
        return self._families[choice].parameters.model_validate({**values, "vocabulary": self.recipe.vocabulary})

    def _world(self, index: int) -> tuple[World, np.ndarray]:
        """Return the world of task ``index`` and the generator of its settings, advanced past those of the world.

        Settings that no world satisfies (a gap out of reach) are drawn anew and counted in the world's rejections.

        Raises:
            NoWorldError: The settings, or every draw of them, were unsatisfiable.
        """
        seed = derive_seed(self.recipe.seed, self.purpose, index)
        rng = generator(stream_seed(seed, _SETTINGS))
        chosen = int(choose(rng, self._weights))
        if self._fixed[chosen] is not None:
            return draw_world(self._families[chosen], self._fixed[chosen], seed), rng
        for tries in range(_MOST_SETTINGS):
            try:
                world = draw_world(self._families[chosen], self._settings(chosen, rng), seed)
            except NoWorldError as error:
                refused = error
                continue
            return (replace(world, rejections={**world.rejections, "settings": tries}) if tries else world), rng
        raise NoWorldError(
            f"one of {_MOST_SETTINGS} drawn settings must give a world, none did; narrow the ranges. Last: {refused}"
        )


_READY: list[Synthesis] = []
"""The most recently used recipes made ready: whoever asks for one sequence at a time asks for the same recipe."""


def _ready(recipe: Recipe, purpose: Purpose) -> Synthesis:
    for known in _READY:
        if known.recipe is recipe and known.purpose == purpose:
            return known
    _READY[:] = [Synthesis(recipe, purpose), *_READY[:7]]
    return _READY[0]


def generate(recipe: Recipe, first: int, count: int, purpose: Purpose = Purpose.TRAIN) -> Sequences:
    """Return sequences ``first`` to ``first + count - 1``; each depends on (recipe, purpose, its index) alone.

    Raises:
        UsageError: ``first`` or ``count`` is negative.
    """
    if first < 0 or count < 0:
        raise UsageError(f"first and count must be >= 0, got {first} and {count}")
    ready = _ready(recipe, purpose)
    out = ready.room(count)
    out.rows.extend(ready.write(first + place, out, place) for place in range(count))
    return out


def world_at(recipe: Recipe, index: int, purpose: Purpose = Purpose.TRAIN) -> World:
    """Return the world of sequence ``index``, its states shown in the recipe's vocabulary.

    Raises:
        UsageError: ``index`` is negative.
    """
    if index < 0:
        raise UsageError(f"a sequence's index must be >= 0, got {index}")
    return _ready(recipe, purpose).world(index)


def play(world: World, behaviour: Behaviour, length: int, seed: int, actions: int | None = None) -> Sequences:
    """Let one behaviour act in one world for ``length`` rows: a baseline or a demonstration.

    Args:
        world: The world; its observations are ``world.symbol`` or drawn from ``world.emission``, the vocabulary
            ``world.vocabulary``. Behaviours see the state.
        behaviour: Who acts, as ``common.agents.behaviour`` makes it.
        length: Rows, breaks included.
        seed: Of everything drawn, in [0, 2**64). The world draws from ``generator(seed)`` itself.
        actions: Action ids A; more than the world has are folded by a random surjection. The world's own unless given.

    Raises:
        UsageError: ``length`` is under 1, ``actions`` too few or over 64, or the seed out of range.
    """
    ids = world.n_actions if actions is None else actions
    if length < 1 or not 0 <= seed < 1 << 64:
        raise UsageError(f"length must be >= 1 and seed in [0, 2**64), got {length} and {seed}")
    if not world.n_actions <= ids <= MAX_ACTIONS:
        raise UsageError(f"actions must be from the world's {world.n_actions} to {MAX_ACTIONS}, got {ids}")
    out = Sequences.empty(1, length, world.vocabulary, ids, world.observation_tokens, world.emission is not None)
    seeds = [stream_seed(seed, stream) for stream in range(_SETTINGS)]
    seeds[WORLD] = seed
    action_map = draw_action_map(generator(stream_seed(seed, _SETTINGS)), ids, world.n_actions)
    out.rows.append({"sequence": 0, **record(prepare(world, action_map), Mixture([behaviour]), 0.0, seeds, out, 0)})
    return out
