"""Trained agents that come with the package; every command that takes a model's path takes their names, too."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
WEIGHTS = "model.safetensors"


def names() -> list[str]:
    """Return the bundled agents' names."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{WEIGHTS}"))


def located(path: str | Path) -> Path:
    """Return where a model lies: ``path``, or the bundled agent of that name where there is nothing at ``path``."""
    path = Path(path)
    bundled = FOLDER / path / WEIGHTS
    return bundled if not path.exists() and str(path) == path.name and bundled.is_file() else path
