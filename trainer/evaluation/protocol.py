"""How evaluation is done: the choices a result depends on, as settings that every result records."""

from typing import Any, Literal

from pydantic import Field

from common.config import Settings
from common.errors import UsageError


class Protocol(Settings):
    """What worlds are like for whoever plays them. How the agent acts is ``trainer.agent.AgentSettings``."""

    shaping: Literal["paper", "none"] = "paper"
    """Rewards shown where the paper shapes them (FrozenLake, CliffWalking, Pendulum): its shaped ones, or the plain.
    Scores use the plain ones (Switch2: those shown, as in the paper)."""
    episode_cap: int | None = Field(default=None, ge=1)
    """Steps after which every episode is cut; None: the suite's own."""


PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "paper": {"temperature": 0.5, "temperature_steps": 0, "folding": "modulo", "own_tag": 7},
    "paper-code": {
        "temperature": 1.0,
        "temperature_floor": 0.1,
        "temperature_steps": 10_000,
        "folding": "modulo",
        "own_tag": 7,
    },
}
"""How the agent acts, by name: this project's way, the paper's text, and its code's falling temperature."""


def preset(name: str) -> dict[str, Any]:
    """Return agent settings by name.

    Raises:
        UsageError: There is no such preset.
    """
    if name not in PRESETS:
        raise UsageError(f"--protocol must be one of {', '.join(PRESETS)}, got {name!r}")
    return PRESETS[name]
