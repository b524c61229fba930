"""A picture to a file: refused before the work, not after it."""

from pathlib import Path
from typing import Any

from common.errors import UsageError


def check_picture(path: str | None) -> None:
    """Refuse a file that a picture cannot be written to.

    Raises:
        UsageError: It is none that ends in .png, or its folder does not exist.
    """
    if path is None:
        return
    if Path(path).suffix != ".png":
        raise UsageError(f"--png takes the name of a file ending in .png, got {path!r}")
    if not Path(path).absolute().parent.is_dir() or Path(path).is_dir():
        raise UsageError(f"--png takes a file in a folder that exists, got {path!r}; make the folder first")


def save_picture(drawn: Any, path: str) -> None:
    """Write a figure."""
    from common.plots import save

    save(drawn, Path(path))
