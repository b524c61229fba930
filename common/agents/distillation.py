"""Noise distillation: an oracle whose noise falls along a settable curve, so that a sequence gets better and better."""
# mypy: disable-error-code="no-untyped-def"

from typing import Any, ClassVar, Literal

from pydantic import Field

from common.agents.behaviour import Behaviour
from common.agents.choice import CURVES, falling, from_mask
from common.dataset.schema import DISCOUNTS, Tag
from common.draw import NonNegative, Share
from common.kernels import kernel
from common.random import below, uniform

_RANDOM = int(Tag.RANDOM)
_ORACLE, _FIRST, _LAST, _STEPS, _CURVE, _SHARPNESS = range(6)


class NoiseDistillation(Behaviour):
    """An oracle with falling noise (AD-eps; Zisman et al., 2024): a noise step is a uniform action with tag 6."""

    code: ClassVar[int] = 6
    needs_optimal: ClassVar[bool] = True
    kind: Literal["noise-distillation"] = "noise-distillation"
    oracle: int = Field(default=3, ge=0, lt=len(DISCOUNTS))
    """Which oracle, its tag at the same time: 0..3 for discounts 0, .5, .93, .994."""
    noise: Share = 1.0
    """Share of noise steps at the sequence's start."""
    last: Share = 0.0
    """Share of noise steps where the curve ends, and from there on."""
    until: Share = 1.0
    """The curve takes this part of the sequence's rows."""
    curve: Literal["linear", "exponential", "power"] = "linear"
    """How the share falls: see ``common.agents.choice.falling``."""
    sharpness: NonNegative = 3.0
    """Rate of the exponential, exponent of the power; the larger, the faster the noise falls at first."""

    def drawn(self) -> tuple[Any, ...]:
        """Return the parameters in the kernels' order."""
        curve = float(CURVES.index(self.curve))
        return (float(self.oracle), self.noise, self.last, self.until, curve, self.sharpness)


@kernel(allocates=False)
def start(rng, parameters, memory, n_states, n_actions, length):
    """Turn the curve's part of the sequence into steps."""
    parameters[_STEPS] = max(parameters[_STEPS] * length, 1.0)


@kernel(inline=True)
def choose(rng, parameters, memory, optimal, state, step, n_actions):
    """Return (action, tag)."""
    left = falling(parameters[_CURVE], parameters[_SHARPNESS], step / parameters[_STEPS])
    if uniform(rng) < parameters[_LAST] + (parameters[_FIRST] - parameters[_LAST]) * left:
        return below(rng, n_actions), _RANDOM
    oracle = int(parameters[_ORACLE])
    return from_mask(rng, optimal[oracle, state], n_actions), oracle
