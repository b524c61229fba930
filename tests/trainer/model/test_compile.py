"""Compiled blocks give what plain ones give, state carried: traced and run as it is, and compiled (minutes)."""

import pytest
import torch

from .parts import cut, difference, gradients, random_tokens, run, small


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler's own
@pytest.mark.parametrize(
    ("backbone", "backend"),
    [
        ("transformer", "aot_eager"),
        ("gated-delta-net", "aot_eager"),
        ("rwkv7", "aot_eager"),
        ("gated-delta-net", "inductor"),
    ],
)
def test_compiled_blocks_equal_plain_ones(backbone: str, backend: str) -> None:
    torch.compiler.reset()
    plain, compiled = small(backbone), small(backbone)
    compiled.compile_blocks(backend)
    parts = cut(random_tokens(2, 140), [70, 70])
    with torch.no_grad():
        assert difference(run(compiled, parts)[0], run(plain, parts)[0]) < 1e-4
    expected = gradients(plain, parts)
    for name, gradient in gradients(compiled, parts).items():
        assert difference(gradient, expected[name]) < 1e-4, name
