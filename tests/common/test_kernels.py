import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from common import kernels, random

HELPER = "from common.kernels import kernel\n\n@kernel(inline=True)\ndef add(x):\n    return x + {}\n"
USER = (
    "from common.kernels import kernel\nfrom common.helper import add\n\n"
    "@kernel\ndef twice(x):\n    return 2 * add(x)\n"
)
RUN = (
    "from common.user import twice\nvalue = twice(10)\nstats = twice.stats\n"
    "print(value, sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))\n"
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the kernel cache in a package of its own, with a kernel that calls a helper of another file."""
    package = tmp_path / "here" / "common"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    shutil.copy(kernels.ROOT / "kernels.py", package)
    (package / "helper.py").write_text(HELPER.format(1))
    (package / "user.py").write_text(USER)
    (package / "other.py").write_text("x = 1\n")
    return package


def run(package: Path, cache: Path) -> list[int]:
    """Call the kernel in a fresh process: [value, loads from the cache, compilations]."""
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "OMNIRL_CACHE": str(cache)}
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", RUN], env=environment, cwd=package.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


def test_compiled_once_wherever_it_lies_and_again_after_an_edited_helper(tree, tmp_path):
    cache = tmp_path / "cache"
    assert run(tree, cache) == [22, 0, 1]
    # a working directory of another name, with an edit that touches nothing the kernel is made of
    moved = tmp_path / "elsewhere" / "common"
    shutil.copytree(tree, moved)
    (moved / "other.py").write_text("x = 2\n")
    assert run(moved, cache) == [22, 1, 0]
    (moved / "helper.py").write_text(HELPER.format(500))
    assert run(moved, cache) == [1020, 0, 1]
    # the first tree still has its own
    assert run(tree, cache) == [22, 1, 0]


def test_digest_follows_imports_of_every_form(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels, "ROOT", tmp_path / "common")
    package = tmp_path / "common"
    package.mkdir()
    for name in ("a", "b", "c", "d", "e", "f"):
        (package / f"{name}.py").write_text("x = 1\n")
    (package / "user.py").write_text(
        "from common.a import (\n    x,\n)\nfrom common import b as y, c\nfrom common.e import x\n"
    )
    (package / "a.py").write_text("import json, common.d\nimport common.f\n")

    def digest() -> str:
        kernels._imports.cache_clear()
        kernels.source_digest.cache_clear()
        return kernels.source_digest(package / "user.py")

    try:
        before = digest()
        assert digest() == before
        for name in ("b", "c", "d", "e", "f"):
            (package / f"{name}.py").write_text("x = 2\n")
            after = digest()
            assert after != before, name
            before = after
        (package / "unused.py").write_text("x = 2\n")
        assert digest() == before
    finally:
        kernels._imports.cache_clear()
        kernels.source_digest.cache_clear()


def test_kernels_use_no_fastmath_and_the_user_wide_cache():
    assert not random.normal.targetoptions.get("fastmath", False)
    random.normal(random.generator(1))
    assert Path(random.normal.stats.cache_path).is_relative_to(kernels.cache_folder())
