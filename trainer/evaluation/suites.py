"""Suites by name: which unseen worlds an agent is evaluated on."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from common.errors import UsageError
from common.seeding import Purpose, derive_seed, stream_seed
from common.synthesis import recipe as recipes
from common.synthesis.generate import world_at
from common.synthesis.recipe import Recipe
from common.worlds import sample_world
from trainer.evaluation.frozenlake import frozenlake
from trainer.evaluation.task import Task

SMALL_FAMILIES = ("garnet", "gridworld")
SMALL_RECIPE = "tiny"
ANYMDP_GAP = 0.1
LABELS = 101
"""Stream of a world's seed that relabels it."""
TUNING = 1 << 40
"""Worlds from this index on are for tuning baselines; evaluation takes those from 0 on."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A named set of worlds, as many as wanted."""

    name: str
    about: str
    draw: Callable[[int, int], Task]
    """(seed, index) in, the index-th task out, not yet relabelled."""
    smallest_gap: float | None = None
    """Smallest per-step gap oracle - random that counts, in reward; None: a share of the world's reward range."""
    same_world: bool = False
    """One world, relabelled differently each time."""

    def tasks(self, count: int, vocabulary: int, seed: int = 0, first: int = 0) -> list[Task]:
        """Return ``count`` tasks, each relabelled at random in the agent's vocabulary.

        Raises:
            UsageError: A world shows more symbols than the vocabulary has.
        """
        return [
            self.draw(seed, index).relabelled(
                vocabulary, stream_seed(derive_seed(seed, Purpose.EVALUATE, index), LABELS)
            )
            for index in range(first, first + count)
        ]


@lru_cache(maxsize=4)
def _small_recipe(seed: int) -> Recipe:
    tiny = recipes.load(SMALL_RECIPE)
    families = tuple(choice for choice in tiny.families if choice.family in SMALL_FAMILIES)
    return tiny.model_copy(update={"families": families, "seed": seed})


def _small(seed: int, index: int) -> Task:
    """Return a Garnet or gridworld of the tiny recipe, in the recipe's proportions, of an evaluation seed."""
    world = world_at(_small_recipe(seed), index, Purpose.EVALUATE)
    return Task(name=f"{world.family}-{index}", world=world)


def _sampled(family: str, **parameters: int | float) -> Callable[[int, int], Task]:
    def draw(seed: int, index: int) -> Task:
        world = sample_world(family, seed=derive_seed(seed, Purpose.EVALUATE, index), **parameters)
        return Task(name=f"{family}-{index}", world=world)

    return draw


SUITES = {
    suite.name: suite
    for suite in (
        Suite(name="small", about="Garnet and gridworlds of the tiny recipe, 4-16 states", draw=_small),
        Suite(
            name="garnet-16", about="Garnet(16, 5, 2)", draw=_sampled("garnet", n_states=16, n_actions=5, branching=2)
        ),
        Suite(name="anymdp-1", about="bandits, 5 arms", draw=_sampled("bandit", n_actions=5), smallest_gap=ANYMDP_GAP),
        Suite(
            name="anymdp-16",
            about="AnyMDP, 16 states, 5 actions",
            draw=_sampled("anymdp", n_states=16, n_actions=5),
            smallest_gap=ANYMDP_GAP,
        ),
        Suite(name="frozenlake", about="FrozenLake 4x4", draw=lambda *_: frozenlake(False), same_world=True),
        Suite(
            name="frozenlake-slippery",
            about="FrozenLake 4x4, slippery",
            draw=lambda *_: frozenlake(True),
            same_world=True,
        ),
    )
}


def suite(name: str) -> Suite:
    """Return a suite by name.

    Raises:
        UsageError: There is none; the message lists those there are.
    """
    if name not in SUITES:
        raise UsageError(f"unknown suite {name!r}: known suites are {', '.join(SUITES)}")
    return SUITES[name]
