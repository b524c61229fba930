"""How evaluation is done: the choices a result depends on, as settings that every result records."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from common.config import Settings, parse
from common.errors import UsageError
from trainer.acting import AgentSettings
from trainer.checkpoints import told


class Protocol(Settings):
    """What worlds are like for whoever plays them. How the agent acts is ``trainer.agent.AgentSettings``."""

    shaping: Literal["paper", "none"] = "paper"
    """Rewards shown where the paper shapes them (FrozenLake, CliffWalking, Pendulum): its shaped ones, or the plain.
    Scores use the plain ones (Switch2: those shown, as in the paper)."""
    episode_cap: int | None = Field(default=None, ge=1)
    """Steps after which every episode is cut; None: the suite's own."""


PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "paper": {"temperature": 0.5, "temperature_steps": 0, "folding": "modulo", "own_tag": 7, "views": 1},
    "paper-code": {
        "temperature": 1.0,
        "temperature_floor": 0.1,
        "temperature_steps": 10_000,
        "folding": "modulo",
        "own_tag": 7,
        "views": 1,
    },
}
"""How the agent acts, by name: as its training recipe says, the paper's text, and its code's falling temperature."""


def preset(name: str) -> dict[str, Any]:
    """Return agent settings by name.

    Raises:
        UsageError: There is no such preset.
    """
    if name not in PRESETS:
        raise UsageError(f"--protocol must be one of {', '.join(PRESETS)}, got {name!r}")
    return PRESETS[name]


def acting_of(path: Path, protocol: str, changed: dict[str, Any] | None = None) -> AgentSettings:
    """Return how the agent at ``path`` acts under a preset: its own recipe's choice where the preset changes nothing.

    Args:
        path: Its files.
        protocol: The preset's name.
        changed: Settings that go before all others.

    Raises:
        UsageError: There is no agent, no such preset, or a setting is out of range.
        DataError: What is there is damaged.
    """
    wanted = preset(protocol)
    own = AgentSettings() if wanted else AgentSettings.of(told(path))
    return parse(AgentSettings, own.model_dump() | wanted | (changed or {}), "how the agent acts")
