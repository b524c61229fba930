"""The families of worlds by name: (family, version, parameters, seed) in, the same world out, always."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import index
from typing import Any

from gymnasium.envs.registration import register as register_environment

from common.config import Settings, parse
from common.errors import UsageError
from common.worlds.world import World


@dataclass(frozen=True)
class Family:
    """A way to draw worlds. Whoever changes what a seed gives raises the version."""

    name: str
    version: int
    parameters: type[Settings]
    """What can be asked of the family; every default is usable."""
    sample: Callable[[Any, int], World]
    """(checked parameters, seed) in, one world out; ``draw_world`` adds family, version, parameters and seed."""
    hides_state: bool = False
    """Whether observations are drawn from an emission: the dataset then stores the state beside them."""


_FAMILIES: dict[str, Family] = {}


def register(new: Family) -> Family:
    """Add a family and return it, and with it the Gymnasium environments of id ``<name>-v0``, single and vector.

    Raises:
        ValueError: Another family has the name.
    """
    if new.name in _FAMILIES:
        raise ValueError(f"a family's name is unique, and {new.name!r} is taken; choose another")
    _FAMILIES[new.name] = new
    register_environment(
        f"{new.name}-v0",
        entry_point="common.worlds.environment:WorldEnv",
        vector_entry_point="common.worlds.vector:WorldVectorEnv",
        order_enforce=False,  # it has its own message for steps out of order
        kwargs={"family": new.name},
    )
    return new


def families() -> dict[str, Family]:
    """Return the registered families by name, sorted."""
    return dict(sorted(_FAMILIES.items()))


def family(name: str) -> Family:
    """Return a family by name.

    Raises:
        UsageError: There is none; the message lists those there are.
    """
    if name not in _FAMILIES:
        hint = "; a world of your own arrays is made by World.from_dense" if name == "custom" else ""
        raise UsageError(f"unknown family {name!r}: known families are {', '.join(families())}{hint}")
    return _FAMILIES[name]


def sample_world(name: str, *, seed: int, **parameters: Any) -> World:
    """Draw one world, a pure function of its arguments.

    Args:
        name: A registered family, such as ``anymdp``.
        seed: In [0, 2**64); ``common.seeding.derive_seed`` makes them.
        **parameters: Settings of the family by name; the rest keep their defaults.

    Raises:
        UsageError: The family or a parameter is unknown, or a value breaks its rule.
    """
    chosen = family(name)
    return draw_world(chosen, parse(chosen.parameters, parameters, f"family {name!r}"), seed)


def draw_world(chosen: Family, settings: Settings, seed: int) -> World:
    """Draw one world of a family from settings that are already checked.

    Raises:
        UsageError: The seed is out of range, or no world satisfies the settings.
    """
    try:
        whole = index(seed)
    except TypeError:
        whole = -1
    if not 0 <= whole < 1 << 64:
        raise UsageError(
            f"a world's seed is an integer in [0, 2**64), got {seed!r}; take it from common.seeding.derive_seed"
        )
    world = chosen.sample(settings, whole)
    return replace(
        world,
        family=chosen.name,
        version=chosen.version,
        parameters=settings.model_dump(mode="json"),
        seed=whole,
    )
