"""The real CUDA kernels, in Triton's interpreter: they give what our forms give, called as we call them."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy
import pytest

from trainer.model import kernels

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("triton") is None or find_spec("fla") is None, reason="needs triton and fla-core (a gigabyte)"
    ),
    pytest.mark.skipif(
        tuple(map(int, numpy.__version__.split(".")[:2])) >= (2, 4), reason="Triton's interpreter needs numpy below 2.4"
    ),
]


@pytest.mark.parametrize("name", kernels.KERNELS)
def test_a_kernel_gives_what_the_form_gives(name: str) -> None:
    script = Path(__file__).parent / "interpreted.py"
    done = subprocess.run(
        [sys.executable, str(script), name],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["off"] < 1e-3
