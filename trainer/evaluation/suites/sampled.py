"""Suites of sampled worlds: every index another one, none of them ever a training world."""

from collections.abc import Callable
from functools import lru_cache

from common.seeding import Purpose, derive_seed
from common.synthesis import recipe as recipes
from common.synthesis.generate import world_at
from common.synthesis.recipe import Recipe
from common.worlds import sample_world
from trainer.evaluation.suites.suite import TaskSuite
from trainer.evaluation.task import Task

SMALL_FAMILIES = ("garnet", "gridworld")
SMALL_RECIPE = "tiny"
ANYMDP_GAP = 0.1
ANYMDP_STATES = (16, 32, 64, 128)
GARNET_STATES = (16, 64)
HIDDEN = {"n_states": 16, "n_observations": 16}
"""Sizes of the worlds that hide their state: few enough symbols for small agents."""


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


SAMPLED = (
    TaskSuite(name="small", about="Garnet and gridworlds of the tiny recipe, 4-16 states", draw=_small),
    TaskSuite(
        name="anymdp-1",
        about="bandits, 5 arms",
        paper="AnyMDP n_s=1 (bandit)",
        draw=_sampled("bandit", n_actions=5),
        smallest_gap=ANYMDP_GAP,
    ),
    *(
        TaskSuite(
            name=f"anymdp-{n}",
            about=f"AnyMDP, {n} states, 5 actions",
            paper=f"AnyMDP {n}",
            draw=_sampled("anymdp", n_states=n, n_actions=5),
            smallest_gap=ANYMDP_GAP,
        )
        for n in ANYMDP_STATES
    ),
    *(
        TaskSuite(
            name=f"garnet-{n}",
            about=f"Garnet({n}, 5, 2)",
            paper=f"Garnet({n},5,2)",
            draw=_sampled("garnet", n_states=n, n_actions=5, branching=2),
        )
        for n in GARNET_STATES
    ),
    TaskSuite(
        name="pomdp",
        about="AnyMDP of 16 states hidden behind 16 symbols, 5 actions",
        draw=_sampled("pomdp", n_actions=5, **HIDDEN),
    ),
    TaskSuite(
        name="multi-token-pomdp",
        about="the same, four symbols an observation, two of 3 actions a step",
        draw=_sampled("multi-token-pomdp", n_actions=3, observation_tokens=4, action_tokens=2, **HIDDEN),
    ),
)
