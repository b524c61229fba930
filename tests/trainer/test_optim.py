"""Muon by its definition, the schedule, and what a step leaves alone."""

from itertools import pairwise

import pytest
import torch

from trainer.model import Model, ModelConfig
from trainer.optim import Optimiser, OptimiserConfig, orthogonalise, schedule


def test_orthogonalising_keeps_singular_vectors_and_brings_values_near_1() -> None:
    matrices = torch.randn(3, 16, 40, generator=torch.Generator().manual_seed(0))
    for batch in (matrices, matrices.transpose(1, 2).contiguous()):
        done = orthogonalise(batch, 5)
        values = torch.linalg.svdvals(done)
        assert values.min() > 0.6 and values.max() < 1.3
        u, _, v = torch.linalg.svd(batch, full_matrices=False)
        rotated = u.transpose(1, 2) @ done @ v.transpose(1, 2)
        off = rotated - torch.diag_embed(rotated.diagonal(dim1=1, dim2=2))
        assert off.abs().max() < 1e-3


def test_the_schedule_rises_falls_and_ends_at_0() -> None:
    rates = [schedule(step, 100, 9) for step in range(101)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == pytest.approx(1.0)
    assert all(a < b for a, b in pairwise(rates[:10]))
    assert all(a > b for a, b in pairwise(rates[9:]))
    assert rates[100] == 0.0 and rates[99] == pytest.approx(1 / 91)


def model_with_gradients() -> Model:
    model = Model(ModelConfig(vocabulary=6, actions=3, width=16, layers=2, heads=2, inner=24), seed=3)
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    return model


def test_muon_takes_the_blocks_matrices_and_queries_keys_and_values_apart() -> None:
    model = model_with_gradients()
    optimiser = Optimiser(model, OptimiserConfig(warmup_steps=0, clip=1e9), 10)
    assert set(optimiser.muon) == {n for n, p in model.named_parameters() if n.startswith("blocks.") and p.ndim == 2}
    name = "blocks.0.mixer.qkv.weight"
    before, gradient = optimiser.muon[name].detach().clone(), optimiser.muon[name].grad.clone()
    optimiser.step(0)
    update = orthogonalise(gradient.view(3, 16, 16) * (1 + 0.95), 5).reshape(48, 16)
    torch.testing.assert_close(before - 0.02 * update, optimiser.muon[name].detach(), rtol=1e-4, atol=1e-6)
    tall = "blocks.0.feed_forward.up.weight"
    assert torch.linalg.matrix_norm(model_with_gradients().get_parameter(tall) - optimiser.muon[tall], 2) > 0.02


def test_adamw_equals_the_library_s() -> None:
    model, other = model_with_gradients(), model_with_gradients()
    optimiser = Optimiser(model, OptimiserConfig(warmup_steps=0, clip=1e9, weight_decay=0.1), 10)
    theirs = torch.optim.AdamW([other.embedding.table.weight], lr=3e-3, betas=(0.9, 0.98), weight_decay=0.1)
    for step in range(3):
        for group in theirs.param_groups:
            group["lr"] = 3e-3 * schedule(step, 10, 0)
        optimiser.step(step)
        theirs.step()
        for mine, same in zip(model.parameters(), model_with_gradients().parameters(), strict=True):
            mine.grad = same.grad
    torch.testing.assert_close(model.embedding.table.weight, other.embedding.table.weight, rtol=1e-5, atol=1e-7)


def test_a_gradient_that_is_not_finite_changes_nothing() -> None:
    model = model_with_gradients()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    model.norm.gain.grad[0] = torch.nan
    norm = Optimiser(model, OptimiserConfig(), 10).step(0)
    assert norm != norm
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_a_large_gradient_is_clipped() -> None:
    model = model_with_gradients()
    optimiser = Optimiser(model, OptimiserConfig(clip=1.0), 10)
    norm = optimiser.step(0)
    expected = torch.cat([p.grad.flatten() for p in model_with_gradients().parameters()]).norm()
    assert norm == pytest.approx(float(expected), rel=1e-5)
    first = torch.cat(
        [m.flatten() for m in (*optimiser.momentum.values(), *(10 * f for f in optimiser.first.values()))]
    )
    assert float(first.norm()) == pytest.approx(1.0, rel=1e-4)
