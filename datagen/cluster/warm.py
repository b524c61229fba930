"""Kernels compile once on a node, however many actors start there at once: the first compiles, the others wait."""

import contextlib
import fcntl
import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from common import kernels
from common.synthesis import generate as generation
from common.synthesis.recipe import Recipe

PATIENCE = 300.0
"""Seconds an actor waits for another that compiles; then it compiles itself."""
_POLL = 0.2


def warm(recipe: Recipe, make: Callable[[Recipe], object] | None = None) -> float | None:
    """Compile, or load, the kernels that a recipe needs.

    Args:
        recipe: The recipe whose shards are to be made.
        make: What compiles them; makes a few sequences of the recipe, unless given.

    Returns:
        The seconds it took to compile; None where they were compiled already.
    """
    make = make or _every_family
    folder = kernels.cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / f"warm-{_key(recipe)}"
    if not mark.exists():
        with _lock(folder / "warm.lock"):
            if not mark.exists():
                started = time.perf_counter()
                make(recipe)
                mark.touch()
                return time.perf_counter() - started
    make(recipe)
    return None


def _every_family(recipe: Recipe) -> None:
    """Make a sequence of each family of the recipe, a few short rows long."""
    for choice in recipe.families:
        alone = recipe.model_copy(update={"families": (choice,)})
        generation.generate(alone, 0, 1)


def _key(recipe: Recipe) -> str:
    """Return a digest of what decides which kernels are compiled: the sources, and which parts of them are called."""
    sources = kernels.source_digest(Path(generation.__file__).resolve())
    parts = recipe.model_dump_json(include={"families", "behaviours"})
    return hashlib.sha256(f"{sources} {parts}".encode()).hexdigest()[:20]


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold a file's lock; without it after ``PATIENCE`` seconds, or where the file system knows no locks."""
    deadline = time.monotonic() + PATIENCE
    with open(path, "w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    break
                time.sleep(_POLL)
            except OSError:
                break
        yield
