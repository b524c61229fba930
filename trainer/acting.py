"""How an agent acts: temperature, tag, wanted discount, folding; results name these settings."""

from typing import Any, Literal

from pydantic import Field

from common.config import Settings
from common.dataset.schema import Tag
from common.errors import DataError, UsageError


class AgentSettings(Settings):
    """How an agent acts. Results name these settings."""

    temperature: float = Field(default=1.0, ge=0.0)
    """Softmax temperature at the first step; 0 is greedy."""
    temperature_floor: float = Field(default=0.2, ge=0.0)
    """It does not fall below this."""
    temperature_steps: int = Field(default=200, ge=0)
    """At step t (demonstrations count) it is temperature (1 - t / this), at least the floor; 0: it stays as it is."""
    own_tag: int = Field(default=int(Tag.UNKNOWN), ge=0, le=int(Tag.UNKNOWN))
    """Tag (``common.dataset.schema.Tag``) shown beside its own actions."""
    discount: float | None = None
    """Wanted discount, one of the trained ones; None: the first of them."""
    views: int = Field(default=1, ge=1, le=64)
    """Sets of names under which each sequence is read at once; it decides by all of them together. Better, and so many
    times the work."""
    folding: Literal["random", "modulo"] = "random"
    """How A action ids stand for fewer actions: a random surjection drawn at ``reset``, or the paper's a mod n_a."""
    seed: int = Field(default=0, ge=0)
    """Fixes its random draws."""

    @classmethod
    def of(cls, told: dict[str, Any]) -> "AgentSettings":
        """Return how a model is best played by what its files say (``trainer.checkpoints.told``).

        That is what it was exported with (``acting``), or else its recipe's choice.

        Raises:
            DataError: That is damaged.
        """
        try:
            return cls.model_validate(told.get("acting") or told.get("recipe", {}).get("acting", {}))
        except (ValueError, AttributeError) as error:
            raise DataError(f"how the model acts is damaged in its description: {error}") from error

    @property
    def wanted(self) -> float:
        """The wanted discount, once it is settled."""
        assert self.discount is not None, "settings are settled before they are used"
        return self.discount

    def settled(self, trained: tuple[float, ...]) -> "AgentSettings":
        """Return these settings with a wanted discount that the model was trained with.

        Args:
            trained: The model's, the usual one first.

        Raises:
            UsageError: Another is asked for.
        """
        if self.discount is None:
            return self.model_copy(update={"discount": trained[0]})
        if self.discount not in trained:
            known = ", ".join(map(str, sorted(trained)))
            raise UsageError(
                f"the wanted discount must be one this model was trained with, {known}; got {self.discount}"
            )
        return self
