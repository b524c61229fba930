"""Behaviours that know the optimal actions: the oracle, a noisy one whose noise decays, and a nearly optimal one."""
# mypy: disable-error-code="no-untyped-def"

from typing import Any, ClassVar, Literal

from pydantic import Field

from common.agents.behaviour import Behaviour
from common.agents.choice import from_mask, scheduled
from common.dataset.schema import DISCOUNTS, Tag
from common.draw import NonNegative, Range, Share
from common.kernels import kernel
from common.random import below

_RANDOM = int(Tag.RANDOM)
_ORACLE, _NOISE, _DECAY, _FLOOR = range(4)


class _Knowing(Behaviour):
    code: ClassVar[int] = 3
    needs_optimal: ClassVar[bool] = True
    oracle: int = Field(default=3, ge=0, lt=len(DISCOUNTS))
    """Which oracle, its tag at the same time: 0..3 for discounts 0, .5, .93, .994."""


class Oracle(_Knowing):
    """Acts optimally, ties drawn uniformly; the oracle's tag."""

    kind: Literal["oracle"] = "oracle"

    def drawn(self) -> tuple[Any, ...]:
        """Return the parameters in the kernels' order."""
        return (float(self.oracle), 0.0, 0.0, 0.0)


class NoisyOracle(_Knowing):
    """An oracle whose noise decays: a noise step is a uniform action with tag 6, any other has the oracle's tag."""

    kind: Literal["noisy-oracle"] = "noisy-oracle"
    preset: Literal["anymdp"] | None = Field(default=None, exclude_if=lambda value: value is None)
    """``anymdp``: the parameters of the AnyMDP specification, which are the defaults; then only the oracle is given."""
    noise: Share = 1.0
    """Share of noise steps at the sequence's start."""
    decay: NonNegative = Range(low=0.0, high=1.0)
    """The share falls by this much / (n_states n_actions) a step."""
    floor: Share = 0.0
    """The share does not fall below this."""

    def drawn(self) -> tuple[Any, ...]:
        """Return the parameters in the kernels' order."""
        return (float(self.oracle), self.noise, self.decay, self.floor)


class NearOptimal(_Knowing):
    """An oracle that deviates all along: a deviating step is a uniform action with tag 6."""

    kind: Literal["near-optimal"] = "near-optimal"
    deviation: Share = Range(low=0.0, high=0.2)
    """Share of deviating steps."""

    def drawn(self) -> tuple[Any, ...]:
        """Return the parameters in the kernels' order."""
        return (float(self.oracle), self.deviation, 0.0, 0.0)


@kernel(allocates=False)
def start(rng, parameters, memory, n_states, n_actions, length):
    """Turn the decay into one a step."""
    parameters[_DECAY] /= n_states * n_actions


@kernel(inline=True)
def choose(rng, parameters, memory, optimal, state, step, n_actions):
    """Return (action, tag)."""
    if scheduled(rng, parameters[_NOISE], parameters[_DECAY], parameters[_FLOOR], step):
        return below(rng, n_actions), _RANDOM
    oracle = int(parameters[_ORACLE])
    return from_mask(rng, optimal[oracle, state], n_actions), oracle
