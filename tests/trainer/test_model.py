"""One result however a sequence is cut: whole pass, segments at any cut, one step at a time; gradients too."""

import pytest
import torch

from trainer.model import Model, ModelConfig, Tokens, clone_state
from trainer.model.attention import Attention, rotate, rotation

LENGTH = 40
CUTS = {"ragged": [7, 1, 20, 12], "steps": [1] * LENGTH, "longer than the window": [33, 7], "two": [20, 20]}


def small(window: int) -> Model:
    return Model(ModelConfig(vocabulary=6, actions=3, width=16, layers=2, heads=2, inner=24, window=window), seed=3)


def random_tokens(batch: int, length: int, seed: int = 0) -> Tokens:
    generator = torch.Generator().manual_seed(seed)

    def ids(below: int) -> torch.Tensor:
        return torch.randint(0, below, (batch, length), generator=generator)

    reward = torch.randn(batch, length, generator=generator)
    return Tokens(ids(7), ids(5), ids(10), reward, ids(6), ids(4))


def cut(tokens: Tokens, lengths: list[int]) -> list[Tokens]:
    return [Tokens(*parts) for parts in zip(*(x.split(lengths, dim=1) for x in tokens), strict=True)]


def reference_attention(layer: Attention, x: torch.Tensor) -> torch.Tensor:
    """Sliding-window attention of one sequence (T, C), a position at a time, by its definition."""
    q, k, v = layer.qkv(x).view(len(x), 3, layer.heads, layer.head_size).unbind(1)
    turn = rotation(0, len(x), layer.head_size, layer.base, x.device)[:, 0]
    q, k = rotate(q, turn), rotate(k, turn)
    rows = []
    for t in range(len(x)):
        seen = slice(max(0, t - layer.window + 1), t + 1)
        weights = torch.einsum("hd,mhd->hm", q[t], k[seen]).div(layer.head_size**0.5).softmax(-1)
        rows.append(torch.einsum("hm,mhd->hd", weights, v[seen]).flatten())
    return layer.out(torch.stack(rows))


@pytest.mark.parametrize("window", [1, 5, 16, 64])
def test_attention_equals_its_definition(window: int) -> None:
    layer = small(window).blocks[0].mixer
    x = torch.randn(2, LENGTH, 16, generator=torch.Generator().manual_seed(1))
    y, _ = layer(x, layer.initial_state(2))
    for row in range(2):
        torch.testing.assert_close(y[row], reference_attention(layer, x[row]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("window", [5, 16, 64])
@pytest.mark.parametrize("lengths", CUTS.values(), ids=CUTS.keys())
@pytest.mark.parametrize("autograd", [True, False])
def test_segments_equal_the_whole(window: int, lengths: list[int], autograd: bool) -> None:
    model, tokens = small(window), random_tokens(3, LENGTH)
    with torch.set_grad_enabled(autograd):
        whole, whole_state = model(tokens)
        state, pieces = model.initial_state(3), []
        for part in cut(tokens, lengths):
            hidden, state = model(part, state)
            pieces.append(hidden)
        torch.testing.assert_close(torch.cat(pieces, dim=1), whole, rtol=1e-4, atol=1e-5)
        following = random_tokens(3, 1, seed=5)
        one, _ = model(following, whole_state)
        other, _ = model(following, state)
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
        live = min(LENGTH, window)
        for a, b in zip(whole_state, state, strict=True):
            assert a.position == b.position == LENGTH
            torch.testing.assert_close(a.keys_BHSD[:, :, :live], b.keys_BHSD[:, :, :live], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(a.values_BHSD[:, :, :live], b.values_BHSD[:, :, :live], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lengths", [CUTS["ragged"], CUTS["steps"]], ids=["ragged", "steps"])
def test_gradients_through_the_state_equal_the_whole_ones(lengths: list[int]) -> None:
    tokens, gradients = random_tokens(2, LENGTH), []
    for parts in ([tokens], cut(tokens, lengths)):
        model = small(16)
        state, pieces = model.initial_state(2), []
        for part in parts:
            hidden, state = model(part, state)
            pieces.append(model.policy(hidden))
        torch.cat(pieces, dim=1).square().mean().backward()
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys() and len(gradients[0]) > 10
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_a_token_changes_nothing_before_it() -> None:
    model, tokens = small(16), random_tokens(2, LENGTH)
    changed = tokens._replace(reward=tokens.reward.clone().index_fill_(1, torch.tensor([25]), 9.0))
    before, after = model(tokens)[0], model(changed)[0]
    assert torch.equal(before[:, :25], after[:, :25])
    assert not torch.allclose(before[:, 25], after[:, 25])


def test_far_positions_keep_their_precision() -> None:
    near = rotation(0, 2, 32, 1e4, torch.device("cpu"))
    far = rotation(500_000, 2, 32, 1e4, torch.device("cpu"))
    torch.testing.assert_close(far[1] / far[0], near[1] / near[0], rtol=0, atol=1e-6)


def test_a_cloned_state_survives_the_steps_after_it() -> None:
    model = small(16)
    with torch.no_grad():
        _, state = model(random_tokens(2, 9))
        kept = clone_state(state)
        step = random_tokens(2, 1, seed=7)
        first = model(step, state)[0]
        for seed in range(8, 20):
            state = model(random_tokens(2, 1, seed=seed), state)[1]
        torch.testing.assert_close(model(step, kept)[0], first, rtol=0, atol=0)


def test_weights_are_a_function_of_the_seed() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one, same, other = small(8), small(8), Model(small(8).config, seed=4)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.policy_head.weight, other.policy_head.weight)


def test_built_on_meta_nothing_is_allocated() -> None:
    model = Model(small(8).config, device="meta")
    assert all(parameter.is_meta for parameter in model.parameters())
    assert model.parameter_count() == small(8).parameter_count()
