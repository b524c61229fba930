"""The window with a memory, at every relation of window, segments and length."""

import pytest
import torch

from trainer.model import Model
from trainer.model.attention import rotation

from .parts import cut, difference, random_tokens, run, small, tensors
from .references import transformer

LENGTH = 40
CUTS = {"ragged": [7, 1, 20, 12], "steps": [1] * LENGTH, "longer than the window": [33, 7]}


@pytest.mark.parametrize("window", [1, 5, 16, 64])
def test_attention_equals_its_definition(window: int) -> None:
    layer = small("transformer", window=window).blocks[0].mixer
    x = torch.randn(2, LENGTH, 16, generator=torch.Generator().manual_seed(1))
    y, _ = layer(x, layer.initial_state(2))
    for row in range(2):
        assert difference(y[row], transformer(layer, x[row])) < 1e-5


@pytest.mark.parametrize("window", [5, 16, 64])
@pytest.mark.parametrize("lengths", CUTS.values(), ids=CUTS.keys())
@pytest.mark.parametrize("autograd", [True, False])
def test_segments_equal_the_whole(window: int, lengths: list[int], autograd: bool) -> None:
    model, tokens = small("transformer", window=window), random_tokens(3, LENGTH)
    with torch.set_grad_enabled(autograd):
        whole, whole_state = run(model, [tokens])
        pieces, state = run(model, cut(tokens, lengths))
    assert difference(pieces, whole) < 1e-4
    assert all(part.position == LENGTH for part in (*state, *whole_state))
    for one, other in zip(tensors(state), tensors(whole_state), strict=True):
        assert difference(one, other) < 1e-4


def test_far_positions_keep_their_precision() -> None:
    near = rotation(0, 2, 32, 1e4, torch.device("cpu"))
    far = rotation(500_000, 2, 32, 1e4, torch.device("cpu"))
    torch.testing.assert_close(far[1] / far[0], near[1] / near[0], rtol=0, atol=1e-6)


def test_built_on_meta_nothing_is_allocated() -> None:
    model = Model(small("transformer").config, device="meta")
    assert all(parameter.is_meta for parameter in model.parameters())
    assert model.parameter_count() == small("transformer").parameter_count()
