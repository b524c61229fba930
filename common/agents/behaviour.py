"""What every behaviour is: settings that may be drawn, and kernels over explicit state arrays.

A behaviour's file holds its settings and three kernels; ``common.agents.kinds`` registers them:

- ``start(rng, parameters, memory, n_states, n_actions, length)`` fills ``memory`` and may finish ``parameters``; a kind
  that asks for it gets the states' symbols, (n_states,), in place of their number;
- ``choose(rng, parameters, memory, optimal, state, step, n_actions) -> (action, tag)``;
- ``learn(parameters, memory, state, action, reward, first, last, end, n_actions)`` takes in the steps in rows ``first``
  to ``last`` - 1 of a record, all of one episode, whoever acted; ``state[last]`` is where the last of them led and
  ``end`` what it did to the episode: 0, ``Tag.TERMINATED`` or ``Tag.TRUNCATED``. Learning draws no random numbers, so
  it may be put off until the behaviour acts again.

``parameters`` is ``float64[PARAMETERS]``, drawn per sequence; ``memory`` is ``float64[memory_size(n, a)]``; ``optimal``
is ``uint64[discount, state]``, bit a set where action a is optimal; ``step`` counts the sequence's steps so far,
breaks not among them: schedules are functions of it.

Behaviours of a mixture that share their memory all start together, in their order, when the first of them acts;
``memory[0]`` is 0 before the first one's ``start``. What they learn then, they learn once.
"""

from typing import Any, ClassVar

import numpy as np
from pydantic import Field, model_validator

from common import draw
from common.config import Settings

PARAMETERS = 24
"""Room for a behaviour's drawn parameters."""


class Behaviour(Settings):
    """Base of all behaviours' settings."""

    code: ClassVar[int]
    """The kernels' number of this kind of behaviour."""
    needs_optimal: ClassVar[bool] = False
    """Whether it looks at the optimal actions: an oracle."""
    shares_memory: ClassVar[bool] = False
    """Whether all behaviours of its code learn in one memory."""
    weight: float = Field(default=1.0, ge=0.0, allow_inf_nan=False)
    """Probability of being drawn, relative to the other behaviours'."""

    @model_validator(mode="after")
    def _preset_alone(self) -> "Behaviour":
        preset = getattr(self, "preset", None)
        extra = sorted(self.model_fields_set - {"kind", "preset", "weight", "oracle"})
        # a resolved recipe names every setting: those that stand at their defaults are not "given"
        extra = [name for name in extra if getattr(self, name) != type(self).model_fields[name].default]
        if preset and extra:
            raise ValueError(f"preset {preset!r} fixes every parameter, so leave out {', '.join(extra)}")
        return self

    def drawn(self) -> tuple[Any, ...]:
        """Return the parameters in the order in which the kernels index them."""
        return ()

    def memory_size(self, n_states: int, n_actions: int, together: int = 1) -> int:
        """Return how many float64 the behaviour keeps in a world of this size, ``together`` of them if they share."""
        return 0

    def learned(self, parameters: np.ndarray, memory: np.ndarray, n_states: int, n_actions: int) -> np.ndarray | None:
        """Return a copy of the Q, (n, a) float64, that it acts by; None of one that learns no values."""
        return None

    def table(self) -> np.ndarray:
        """Return the parameters as a table for ``common.draw.draw_reals``, (PARAMETERS, ..) float64."""
        return draw.table(self.drawn(), PARAMETERS)
