"""Random worlds: families to sample from, and their exact solutions.

Importing this package registers every family.
"""

from common.worlds import anymdp, bandit, garnet, gridworld, multi_token_pomdp, pomdp
from common.worlds.registry import sample_world
from common.worlds.solve import solve
from common.worlds.world import World

__all__ = [
    "World",
    "anymdp",
    "bandit",
    "garnet",
    "gridworld",
    "multi_token_pomdp",
    "pomdp",
    "sample_world",
    "solve",
]
