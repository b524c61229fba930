"""The window with a memory, at every relation of window, segments and length."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from trainer.checkpoints import export_model, load_model
from trainer.model import Model, ModelConfig
from trainer.model.attention import RotaryCode, rotate, rotate_real, rotation

from .parts import cut, difference, random_tokens, run, small, tensors
from .references import transformer

LENGTH = 40
CUTS = {"ragged": [7, 1, 20, 12], "steps": [1] * LENGTH, "longer than the window": [33, 7]}


@pytest.mark.parametrize(("window", "rotated"), [(1, 0.5), (5, 0.0), (16, 0.25), (64, 1.0)])
def test_attention_equals_its_definition(window: int, rotated: float) -> None:
    layer = small("transformer", window=window, rotated=rotated).blocks[0].mixer
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
    code = RotaryCode(size=32, pairs=16, base=1e4)
    near = rotation(0, 2, code, torch.device("cpu"))
    far = rotation(500_000, 2, code, torch.device("cpu"))
    torch.testing.assert_close(far[1] / far[0], near[1] / near[0], rtol=0, atol=1e-6)


def test_built_on_meta_nothing_is_allocated() -> None:
    model = Model(small("transformer").config, device="meta")
    assert all(parameter.is_meta for parameter in model.parameters())
    assert model.parameter_count() == small("transformer").parameter_count()


@pytest.mark.parametrize(("length", "remembered"), [(40, 0), (40, 3), (43, 8), (32, 8), (17, 5)])
def test_windows_attended_together_are_those_attended_one_by_one(length: int, remembered: int) -> None:
    layer = small("transformer", window=8).blocks[0].mixer
    generator = torch.Generator().manual_seed(2)
    q = torch.randn(2, 2, length, 8, generator=generator)
    keys, values = torch.randn(2, 2, 2, length + remembered, 8, generator=generator)
    alone = [layer._attend(q[:, :, at : at + 8], keys, values, remembered + at) for at in range(0, length, 8)]
    together = layer._together(q, keys, values, remembered)
    assert len(together) < len(alone) or length < 24
    assert difference(torch.cat(together, dim=2), torch.cat(alone, dim=2)) < 1e-6


def test_rotation_in_real_numbers_is_the_complex_one() -> None:
    x = torch.randn(2, 5, 3, 2, 8, generator=torch.Generator().manual_seed(3))
    turn = rotation(700, 5, RotaryCode(size=8, pairs=4, base=1e4), torch.device("cpu"))
    assert difference(rotate_real(x, turn), rotate(x, turn)) < 1e-6


def test_channels_that_do_not_turn_compare_contents_alone() -> None:
    turn = rotation(900, 3, RotaryCode(size=16, pairs=2, base=1e4), torch.device("cpu"))
    x = torch.randn(1, 3, 3, 1, 16, generator=torch.Generator().manual_seed(3))
    turned = rotate(x, turn)
    assert torch.equal(turned[..., 4:], x[..., 4:])
    assert difference(turned[..., :4], x[..., :4]) > 0.1


def test_a_file_from_before_the_position_code_was_shared_out_is_read_as_it_was(tmp_path: Path) -> None:
    model, tokens = small("transformer", rotated=1.0), random_tokens(2, 20)
    export_model(model, tmp_path / "new.safetensors")
    settings = json.loads(model.config.model_dump_json())
    del settings["rotated"]
    tensors_of = {name: p.detach() for name, p in model.named_parameters()}
    save_file(tensors_of, tmp_path / "old.safetensors", {"model": json.dumps(settings), "card": "{}"})
    for name in ("new", "old"):
        assert difference(load_model(tmp_path / f"{name}.safetensors")(tokens)[0], model(tokens)[0]) == 0.0
    assert ModelConfig.model_validate(settings).rotated == 0.25, "which is not what a new model has"
