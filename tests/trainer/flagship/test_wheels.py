"""What `make wheels` gathers is what the project is tested with, and is all that a bare machine lacks."""

import re
import subprocess
import sys

import pytest

from tests.conftest import CHECKOUT

LIST = CHECKOUT / "trainer" / "flagship" / "wheels.txt"
ONLY_THERE = {"einops", "fla-core"}
"""The kernels' package and what that needs: they want Triton, which the CPU build of PyTorch comes without."""


def pins(path) -> dict[str, str]:
    lines = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
    named = [line.split("==") for line in lines if line]
    return {re.sub("[-_.]+", "-", name).lower(): version for name, version in named}


def test_versions_are_those_of_the_constraints() -> None:
    wanted, known = pins(LIST), pins(CHECKOUT / "constraints.txt")
    assert {name: known.get(name) for name in wanted if name not in ONLY_THERE} == {
        name: version for name, version in wanted.items() if name not in ONLY_THERE
    }


@pytest.mark.slow
def test_there_is_a_wheel_of_each_for_the_machine(tmp_path) -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    options = re.search(r"-m pip download (.*?)--requirement", makefile, re.S)
    assert options is not None
    words = options[1].replace("\\\n", " ").split()
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", *words, "--requirement", str(LIST), "--dest", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = list(tmp_path.glob("*.whl"))
    assert len(found) == len(pins(LIST))
    assert sum(path.stat().st_size for path in found) < 40_000_000
    assert all("cp312" in path.name or "-none-any" in path.name for path in found)
