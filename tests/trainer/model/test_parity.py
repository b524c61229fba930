"""One result however a sequence is cut: whole, in segments, step by step; outputs, states and gradients."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.model import Tokens, clone_state, replace_rows, select_rows

from .parts import BACKBONES, CUTS, LENGTH, cut, difference, gradients, random_tokens, run, small, tensors
from .references import REFERENCES, rwkv7_blocks

FLOAT32 = 1e-4
"""Largest difference relative to the largest value."""
BFLOAT16 = 2e-2
"""The same between cuts where parameters and activations are bfloat16 (.004 a rounding); states stay float32."""
BFLOAT16_GRADIENT = 3e-2
"""Of the whole gradient, between bfloat16 in pieces and float32 at once."""
BFLOAT16_TO_EXACT = 8e-2
"""The same between bfloat16 and float32."""

every_backbone = pytest.mark.parametrize("backbone", BACKBONES)
every_cut = pytest.mark.parametrize("lengths", CUTS.values(), ids=CUTS.keys())


@every_backbone
def test_a_mixer_equals_its_definition(backbone: str) -> None:
    layer = small(backbone).blocks[0].mixer
    x = torch.randn(2, LENGTH, 16, generator=torch.Generator().manual_seed(1))
    y = layer(x, layer.initial_state(2))[0]
    exact = small(backbone).double().blocks[0].mixer
    for row in range(2):
        assert difference(y[row].double(), REFERENCES[backbone](exact, x[row].double())) < 1e-5


def stirred(seed: int = 7):
    """Return an RWKV-7 whose parameters are all at random, those that begin at zero or alike too."""
    model, generator = small("rwkv7", layers=3), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


def test_rwkv7_s_blocks_equal_their_definition_values_passed_on_and_feed_forward_shifted() -> None:
    model = stirred()
    x = torch.randn(2, LENGTH, 16, generator=torch.Generator().manual_seed(1))
    y, first = x, None
    for block in model.blocks:
        y, _, first = block(y, block.initial_state(2), first)
    for row in range(2):
        assert difference(y[row].double(), rwkv7_blocks(stirred().double().blocks, x[row].double())) < 1e-5


@every_cut
def test_rwkv7_with_every_parameter_at_random_in_segments(lengths: list[int]) -> None:
    model, tokens = stirred(), random_tokens(2, LENGTH)
    whole, pieces = gradients(model, [tokens]), gradients(model, cut(tokens, lengths))
    assert whole.keys() == pieces.keys()
    assert {"blocks.1.mixer.residual.second.weight", "blocks.0.feed_forward.shift"} <= whole.keys()
    for name, gradient in whole.items():
        assert difference(pieces[name], gradient) < FLOAT32, name


@every_backbone
@every_cut
def test_segments_equal_the_whole(backbone: str, lengths: list[int]) -> None:
    model, tokens = small(backbone), random_tokens(3, LENGTH)
    with torch.no_grad():
        whole, whole_state = run(model, [tokens])
        pieces, state = run(model, cut(tokens, lengths))
    assert difference(pieces, whole) < FLOAT32
    for one, other in zip(tensors(state), tensors(whole_state), strict=True):
        assert one.shape == other.shape and difference(one, other) < FLOAT32


@every_backbone
def test_a_state_is_no_view_of_a_segment(backbone: str) -> None:
    """A view would keep the segment's memory, and sharding warns of it."""
    model, tokens = small(backbone), random_tokens(2, LENGTH)
    for lengths in (CUTS["ragged"], [LENGTH]):
        _, state = run(model, cut(tokens, lengths))
        assert not any(x._is_view() for part in state for x in part if isinstance(x, torch.Tensor))


@every_backbone
@settings(max_examples=10)
@given(cuts=st.sets(st.integers(1, 89), max_size=6))
def test_segments_equal_the_whole_at_any_cut(backbone: str, cuts: set[int]) -> None:
    model, tokens = small(backbone), random_tokens(2, 90)
    edges = [0, *sorted(cuts), 90]
    with torch.no_grad():
        whole, _ = run(model, [tokens])
        pieces, _ = run(model, cut(tokens, [b - a for a, b in pairwise(edges)]))
    assert difference(pieces, whole) < FLOAT32


@every_backbone
@every_cut
def test_gradients_through_the_state_equal_the_whole_ones(backbone: str, lengths: list[int]) -> None:
    model, tokens = small(backbone), random_tokens(2, LENGTH)
    whole, pieces = gradients(model, [tokens]), gradients(model, cut(tokens, lengths))
    assert whole.keys() == pieces.keys() and len(whole) > 10
    for name, gradient in whole.items():
        assert difference(pieces[name], gradient) < FLOAT32, name


@every_backbone
@pytest.mark.parametrize("length", [1, 2, 31, 32, 33, 65, 97])
def test_gradients_of_a_mixer_equal_its_definition_s_at_any_length(backbone: str, length: int) -> None:
    layer, exact = small(backbone).blocks[0].mixer, small(backbone).double().blocks[0].mixer
    x = torch.randn(1, length, 16, generator=torch.Generator().manual_seed(1))
    weight = torch.randn(length, 16, generator=torch.Generator().manual_seed(2))
    found = slopes(layer, lambda one: layer(one[None], layer.initial_state(1))[0][0], x[0], weight)
    expected = slopes(exact, lambda one: REFERENCES[backbone](exact, one), x[0].double(), weight.double())
    for name, gradient in expected.items():
        assert difference(found[name], gradient) < FLOAT32, name


def slopes(layer, run_layer, x: torch.Tensor, weight: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return gradients of a weighted sum of a mixer's outputs: of its parameters and its input."""
    x = x.clone().requires_grad_()
    names, parameters = zip(*layer.named_parameters(), strict=True)
    found = torch.autograd.grad((run_layer(x) * weight).sum(), [*parameters, x], allow_unused=True)
    return {name: g for name, g in zip((*names, "x"), found, strict=True) if g is not None}


@every_backbone
@pytest.mark.parametrize("lengths", [[1], [33, 64], [1] * 97], ids=["1", "across a chunk", "steps"])
def test_bfloat16_gradients_stay_within_their_bound(backbone: str, lengths: list[int]) -> None:
    tokens = random_tokens(2, sum(lengths))
    exact, rounded = gradients(small(backbone), [tokens]), gradients(small(backbone).bfloat16(), cut(tokens, lengths))
    assert exact.keys() == rounded.keys()
    off = sum(float((rounded[name].double() - g.double()).square().sum()) for name, g in exact.items())
    assert (off / sum(float(g.double().square().sum()) for g in exact.values())) ** 0.5 < BFLOAT16_GRADIENT


@every_backbone
def test_recomputed_activations_give_the_same_gradients(backbone: str) -> None:
    model, parts = small(backbone), cut(random_tokens(2, LENGTH), CUTS["ragged"])
    kept = gradients(model, parts)
    model.recompute = True
    for name, gradient in gradients(model, parts).items():
        assert difference(gradient, kept[name]) < 1e-6, name


@every_backbone
@pytest.mark.parametrize("lengths", [CUTS["ragged"], CUTS["steps"]], ids=["ragged", "steps"])
def test_bfloat16_stays_within_its_bound(backbone: str, lengths: list[int]) -> None:
    exact, model, tokens = small(backbone), small(backbone).bfloat16(), random_tokens(2, LENGTH)
    with torch.no_grad():
        truth, _ = run(exact, [tokens])
        whole, whole_state = run(model, [tokens])
        pieces, state = run(model, cut(tokens, lengths))
    assert whole.dtype == torch.bfloat16
    assert difference(pieces, whole) < BFLOAT16
    assert difference(whole, truth) < BFLOAT16_TO_EXACT
    for one, other in zip(tensors(state), tensors(whole_state), strict=True):
        assert difference(one, other) < BFLOAT16
        assert one.dtype == torch.float32 or backbone == "transformer"


@every_backbone
def test_bfloat16_products_stay_within_the_same_bounds(backbone: str) -> None:
    """Autocast: what a run's ``precision = "bf16"`` is; parameters and states are float32."""
    model, tokens = small(backbone), random_tokens(2, LENGTH)
    with torch.no_grad():
        truth, _ = run(model, [tokens])
        with torch.autocast("cpu", torch.bfloat16):
            whole, _ = run(model, [tokens])
            pieces, state = run(model, cut(tokens, CUTS["ragged"]))
    assert difference(pieces, whole) < BFLOAT16
    assert 1e-4 < difference(whole, truth) < BFLOAT16_TO_EXACT
    assert all(x.dtype == torch.float32 for x in tensors(state)) or backbone == "transformer"


@every_backbone
def test_a_token_changes_nothing_before_it(backbone: str) -> None:
    model, tokens = small(backbone), random_tokens(2, LENGTH)
    changed = tokens._replace(reward=tokens.reward.clone().index_fill_(1, torch.tensor([100]), 9.0))
    with torch.no_grad():
        before, after = model(tokens)[0], model(changed)[0]
    assert difference(after[:, :100], before[:, :100]) < 1e-5
    assert difference(after[:, 100], before[:, 100]) > 1e-2


@every_backbone
def test_sequences_that_go_on_apart_equal_those_that_go_on_together(backbone: str) -> None:
    model, tokens = small(backbone), random_tokens(3, 20)
    rows = torch.tensor([0, 2])
    with torch.inference_mode():
        whole, _ = run(model, [tokens])
        _, state = model(Tokens(*(x[:, :17] for x in tokens)))
        state = model.rowwise(state)
        kept = clone_state(state)
        for t in range(17, 20):
            some = Tokens(*(x[rows, t : t + 1] for x in tokens))
            hidden, moved = model(some, select_rows(state, rows))
            state = replace_rows(state, rows, moved)
        assert difference(hidden[:, 0], whole[rows, 19]) < FLOAT32
        other, _ = model(Tokens(*(x[1:2, 17:18] for x in tokens)), select_rows(state, torch.tensor([1])))
        assert difference(other[:, 0], whole[1:2, 17]) < FLOAT32
        again, _ = model(Tokens(*(x[:, 17:18] for x in tokens)), kept)
        assert difference(again[:, 0], whole[:, 17]) < FLOAT32


@every_backbone
def test_weights_are_a_function_of_the_seed(backbone: str) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one, same = small(backbone), small(backbone)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    same.initialise(4)
    assert not torch.equal(one.policy_head.weight, same.policy_head.weight)
    assert all(torch.isfinite(parameter).all() for parameter in one.parameters())
