"""What callers send: the arguments of the Agent's verbs, as JSON."""

from pydantic import BaseModel, ConfigDict, Field

from trainer.agent import AgentSettings

Symbols = list[int] | list[list[int]]
"""(n,) symbols, or (n, tokens) where an observation has several."""


class Asked(BaseModel):
    """Base of all requests: strict, so that a wrong type is refused rather than turned into a right one."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Begin(Asked):
    """Begin a session."""

    settings: AgentSettings = Field(default_factory=AgentSettings)


class Reset(Asked):
    """Begin n sequences with empty contexts."""

    n: int
    n_actions: int | list[int]


class Act(Asked):
    """Ask for actions."""

    observation: Symbols


class Observe(Asked):
    """Tell what the actions brought."""

    next_observation: Symbols
    reward: list[float]
    terminated: list[bool]
    truncated: list[bool]


class Prefill(Asked):
    """Show demonstrations, (n, T) each."""

    observation: list[list[int]] | list[list[list[int]]]
    action: list[list[int]]
    reward: list[list[float]]
    tag: list[list[int]]
    lengths: list[int] | None = None


class Restore(Asked):
    """Go on from a memory."""

    memory: str
