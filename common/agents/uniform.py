"""The random behaviour: every action equally likely at every step."""
# mypy: disable-error-code="no-untyped-def"

from typing import ClassVar, Literal

from common.agents.behaviour import Behaviour
from common.dataset.schema import Tag
from common.kernels import kernel
from common.random import below

_RANDOM = int(Tag.RANDOM)


class Random(Behaviour):
    """Uniform over the actions; tag 6."""

    code: ClassVar[int] = 0
    kind: Literal["random"] = "random"


@kernel(inline=True)
def choose(rng, parameters, memory, optimal, state, step, n_actions):
    """Return (action, tag)."""
    return below(rng, n_actions), _RANDOM
