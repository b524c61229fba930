"""Dataset in, agent out: stream, model, training loop, in-context evaluation."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.agent import Agent

__all__ = ["Agent"]


def __getattr__(name: str) -> Any:
    """Import ``Agent`` when it is asked for: it takes torch with it, which a command's ``--help`` need not wait for."""
    if name == "Agent":
        from trainer.agent import Agent

        return Agent
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
