"""The family ``multi-token-pomdp``: a POMDP with several observation tokens and several action tokens a step.

The tokens of an action are actions of the AnyMDP underneath, applied one after another within a step; rewards add up,
and a terminal state ends the step. The labels are macro-actions that are optimal in the hidden state, one discount a
step: an upper bound that nobody who sees only observations can reach.
"""

from typing import Self

from pydantic import Field, model_validator

from common.worlds.macro import of_macro_actions
from common.worlds.pomdp import POMDP, PomdpParameters, hidden
from common.worlds.registry import Family, register
from common.worlds.world import World

MOST_ACTIONS = 64
"""A label has at most so many bits."""


class MultiTokenParameters(PomdpParameters):
    """What can be asked of a multi-token POMDP. The world has ``n_actions ** action_tokens`` actions."""

    n_actions: int = Field(default=5, ge=2, le=MOST_ACTIONS)
    """Values of one action token, n_a."""
    observation_tokens: int = Field(default=4, ge=2, le=64)
    """Tokens of an observation, d_o, each of its own emission matrix."""
    action_tokens: int = Field(default=2, ge=1, le=6)
    """Tokens of an action, d_a."""

    @model_validator(mode="after")
    def _check_actions(self) -> Self:
        if self.n_actions**self.action_tokens > MOST_ACTIONS:
            raise ValueError(
                f"n_actions ** action_tokens must be at most {MOST_ACTIONS}, got {self.n_actions} ** "
                f"{self.action_tokens} = {self.n_actions**self.action_tokens}; lower one of them"
            )
        return self


def sample(parameters: MultiTokenParameters, seed: int) -> World:
    """Return the world of a seed; its AnyMDP and that of the POMDP of the same seed are one.

    Raises:
        NoWorldError: No AnyMDP candidate was accepted.
    """
    return of_macro_actions(hidden(parameters, seed, parameters.observation_tokens), parameters.action_tokens)


register(Family("multi-token-pomdp", POMDP.version, MultiTokenParameters, sample, hides_state=True))
