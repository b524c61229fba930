"""Who is evaluated: a run or an exported model, and what its files say about its training."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common.errors import DataError
from trainer.checkpoints import told


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An agent's files and where it comes from."""

    path: Path
    families: tuple[str, ...] = ()
    """Families of worlds it was trained on; empty where its files do not say."""
    context: int | None = None
    """Rows of the sequences it was trained on."""
    digest: str | None = None
    """Of the run's resolved training recipe."""
    dataset: str | None = None
    """Identity of the data it was trained on."""

    def facts(self) -> dict[str, Any]:
        """Return what results name it by."""
        return {**asdict(self), "path": str(self.path), "families": list(self.families)}


def subject(path: Path) -> Subject:
    """Read what a run's run.json, or the card of an exported file or index (the same contents), says.

    Raises:
        UsageError: There is neither at ``path``, nor a bundled agent of that name.
        DataError: What is there is damaged.
    """
    found = told(path)
    try:
        data = found.get("dataset", {})
        recipes = [one.get("recipe", {}) for one in found.get("datasets", [data])]
        chosen = [choice for recipe in recipes for choice in recipe.get("families", ())]
        families = [choice["family"] for choice in chosen if choice["weight"] > 0]
        return Subject(
            path=path,
            families=tuple(dict.fromkeys(families)),
            context=data.get("length"),
            digest=found.get("digest"),
            dataset=data.get("identity"),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"the description in {path} is damaged: {error!r}; export or train it again") from error
