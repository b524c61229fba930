"""Numba kernels, compiled once: a decorator, and one user-wide cache keyed by what each kernel is made of.

Numba's own cache lies beside the sources (so every Ray working directory would compile again, 44 s) and does not
notice an edited helper in another file. Here a module's compiled kernels lie in a folder named by the digest of that
module and of every module of this package it imports, the numba version and the CPU: an edit recompiles what it
touches and nothing else.

Kernels take no fastmath, no BLAS and no libm: the same seed gives the same bytes on every CPU.
"""

import functools
import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import caching, codegen
from numba.core import config as _numba_config

ROOT = Path(__file__).resolve().parent
_FROM = re.compile(r"^[ \t]*from[ \t]+(common(?:\.\w+)*)[ \t]+import[ \t]+(?:\(([^)]*)\)|(.*))", re.MULTILINE)
_IMPORT = re.compile(r"^[ \t]*import[ \t]+(.*)", re.MULTILINE)

config: Any = _numba_config


@functools.cache
def _imports(path: Path) -> frozenset[Path]:
    """Return the files of this package that ``path`` imports directly."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    modules = {name for match in _IMPORT.finditer(text) for name in re.findall(r"\bcommon(?:\.\w+)*", match[1])}
    for match in _FROM.finditer(text):
        names = re.findall(r"\w+", match[2] or match[3] or "")
        modules.update((match[1], *(f"{match[1]}.{name}" for name in names)))
    found = set()
    for module in modules:
        place = ROOT.parent.joinpath(*module.split("."))
        for candidate in (place.with_suffix(".py"), place / "__init__.py"):
            if candidate.is_file() and candidate != ROOT / "__init__.py":
                found.add(candidate)
    return frozenset(found)


@functools.cache
def source_digest(path: Path) -> str:
    """Return the SHA-256 over a module and all it imports from this package, directly or not (64 hex digits)."""
    reached, waiting = set(), [path]
    while waiting:
        current = waiting.pop()
        if current not in reached:
            reached.add(current)
            waiting.extend(_imports(current))
    total = hashlib.sha256()
    for source in sorted(reached):
        total.update(str(source.relative_to(ROOT)).encode() + b"\0" + source.read_bytes() + b"\0")
    return total.hexdigest()


def cache_folder() -> Path:
    """Return the folder of compiled kernels for this numba and this CPU.

    It lies in ``$OMNIRL_CACHE``, or in ``$XDG_CACHE_HOME/omnirl``, or in ``~/.cache/omnirl``.
    """
    base = os.environ.get("OMNIRL_CACHE")
    if not base:
        base = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "omnirl")
    cpu = config.CPU_NAME or codegen.ll.get_host_cpu_name()
    key = hashlib.sha256(f"{numba.__version__} {cpu} {config.CPU_FEATURES}".encode()).hexdigest()[:12]
    return Path(base) / "kernels" / f"numba-{numba.__version__}-{cpu}-{key}"


class _KernelCacheLocator(caching.UserProvidedCacheLocator):
    """Puts kernels of this package into the user-wide folder, whatever folder the package lies in."""

    def __init__(self, py_func: Any, py_file: str) -> None:
        super().__init__(py_func, py_file)
        path = Path(py_file).resolve()
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        self._cache_path = str(cache_folder() / f"{module}-{source_digest(path)[:20]}")

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        if not Path(py_file).resolve().is_relative_to(ROOT):
            return None
        return super().from_function(py_func, py_file)


def kernel(function: Callable[..., Any] | None = None, *, inline: bool = False, allocates: bool = True) -> Any:
    """Compile ``function`` with numba, without fastmath, releasing the GIL, cached across processes.

    Args:
        function: The function; or None where the decorator takes arguments.
        inline: Always inline into callers: for small helpers that take arrays, whose call would cost more than they
            do. Such a helper must not allocate.
        allocates: Whether it makes arrays. One that does not is compiled without reference counts, which otherwise
            surround every use of an array argument in a loop: a world's step costs 7 ns without them, 35 with.
            Numba refuses to compile an allocation then; views of arguments are fine, returning them is not.
    """
    options: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy", "forceinline": inline}
    if inline or not allocates:
        options["_nrt"] = False
    if function is None:
        return numba.njit(**options)
    return numba.njit(**options)(function)


if not config.CACHE_DIR:
    config.CACHE_DIR = str(cache_folder())
if not any(locator.__name__ == "_KernelCacheLocator" for locator in caching.CacheImpl._locator_classes):
    caching.CacheImpl._locator_classes.insert(0, _KernelCacheLocator)
