"""The capability probe takes a kernel that agrees and no other. Kernels need CUDA: stand-ins play them on the CPU."""

import importlib.util
import logging
import sys
import types
from pathlib import Path

import pytest
import torch

from common.errors import UsageError
from trainer.model import kernels
from trainer.model.diagonal import diagonal_rule, low_rank_rule
from trainer.model.mamba2 import scalar_rule
from trainer.model.recurrence import delta_rule

from .parts import difference

RULES = {
    "gated delta rule": delta_rule,
    "gated linear attention": diagonal_rule,
    "diagonal plus low rank": low_rank_rule,
    "scalar gate": scalar_rule,
}


def stand_in(error: float, seen: list[int]):
    """Return a kernel in their layout, (B, T, H, ...), that goes step by step, off by a share."""

    def kernel(q, k, v, scale, initial_state, output_final_state, g=None, gk=None, beta=None, a=None, b=None, **bounds):
        seen.append(q.shape[1])
        state, outputs = initial_state, []
        decay = g if gk is None else gk
        decay = decay if decay.dim() == 4 else decay[..., None]
        for t in range(q.shape[1]):
            before, state = state, state * decay[:, t, :, :, None].exp()
            value = v[:, t]
            if beta is not None:
                value = beta[:, t, :, None] * (value - torch.einsum("bhk,bhkv->bhv", k[:, t], state))
            state = state + k[:, t, :, :, None] * value[:, :, None, :]
            if a is not None:
                state = state + b[:, t, :, :, None] * torch.einsum("bhk,bhkv->bhv", a[:, t], before)[:, :, None, :]
            outputs.append(torch.einsum("bhk,bhkv->bhv", q[:, t], state))
        return torch.stack(outputs, dim=1) * scale * (1 + error), state

    return kernel


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch):
    """Return a function that puts a stand-in where flash-linear-attention's kernel would be."""

    def install(name: str, error: float) -> list[int]:
        seen: list[int] = []
        kernel = kernels.KERNELS[name]
        module = types.ModuleType(kernel.module)
        setattr(module, kernel.function, stand_in(error, seen))
        for package in ("fla", "fla.ops"):
            monkeypatch.setitem(sys.modules, package, types.ModuleType(package))
        monkeypatch.setitem(sys.modules, kernel.module, module)
        kernels.choose.cache_clear()
        return seen

    yield install
    kernels.choose.cache_clear()


@pytest.mark.parametrize("name", RULES)
def test_a_kernel_that_agrees_is_chosen_and_that_is_logged(name: str, installed, caplog) -> None:
    seen = installed(name, 0.0)
    with caplog.at_level(logging.WARNING):
        choice = kernels.choose(name, RULES[name], "cpu")
    assert choice.kernel is not None, choice.reason
    assert f"{name}: flash-linear-attention, for it is within" in caplog.text
    assert seen == [192], "150 positions, padded to a multiple of 64"


@pytest.mark.parametrize("name", RULES)
def test_a_kernel_that_is_off_is_not(name: str, installed, caplog) -> None:
    installed(name, 0.05)
    choice = kernels.choose(name, RULES[name], "cpu")
    assert choice.kernel is None and "off by" in choice.reason
    assert f"{name}: PyTorch" in caplog.text


def test_without_the_package_the_pytorch_form_runs_and_the_log_says_why(caplog) -> None:
    kernels.choose.cache_clear()
    if importlib.util.find_spec("fla") is not None:
        pytest.skip("flash-linear-attention is installed")
    choice = kernels.choose("gated delta rule", delta_rule, "cpu")
    assert choice.kernel is None and "ModuleNotFoundError" in choice.reason
    assert kernels.describe(tuple(RULES), "cpu")[0] == "gated delta rule: PyTorch, for kernels need CUDA"


def test_tensors_that_kernels_cannot_index_are_refused() -> None:
    large = torch.empty(1, device="meta").expand(64, 8, 65_536, 64)
    with pytest.raises(UsageError, match=r"2\^31.*lower segment"):
        kernels._prepared(large, torch.float32)


def naive(path: str):
    """Load one of flash-linear-attention's reference files, without its package, which needs triton."""
    found = importlib.util.find_spec("fla")
    if found is None or importlib.util.find_spec("einops") is None:
        pytest.skip("flash-linear-attention's source (package fla-core, with einops) is not installed")
    file = Path(next(iter(found.submodule_search_locations))) / "ops" / path
    spec = importlib.util.spec_from_file_location(f"reference_{path.replace('/', '_')[:-3]}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def inputs(columns: tuple[int, ...], length: int = 100) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(2, 2, length, size, generator=generator) for size in columns]
    return [*drawn, torch.randn(2, 2, 8, 8, generator=generator)]


def test_the_delta_rule_equals_flash_linear_attention_s_reference() -> None:
    reference = naive("gated_delta_rule/naive.py").naive_recurrent_gated_delta_rule
    q, k, v, decay, beta, state = inputs((8, 8, 8, 1, 1))
    k, decay, beta = torch.nn.functional.normalize(k, dim=-1), -decay[..., 0].exp(), beta[..., 0].sigmoid()
    ours = delta_rule(q, k, v, decay, beta, state)
    swapped = [x.transpose(1, 2) for x in (q, k, v, beta, decay)]
    out, after = reference(*swapped, scale=1.0, initial_state=state, output_final_state=True)
    assert difference(ours[0], out.transpose(1, 2)) < 1e-4 and difference(ours[1], after) < 1e-4


def test_gated_linear_attention_equals_flash_linear_attention_s_reference() -> None:
    reference = naive("gla/naive.py").naive_recurrent_gla
    q, k, v, decay, state = inputs((8, 8, 8, 8))
    decay = torch.nn.functional.logsigmoid(decay)
    ours = diagonal_rule(q * 8**-0.5, k, v, decay, state)
    out, after = reference(*(x.transpose(1, 2) for x in (q, k, v, decay)), state, True)
    assert difference(ours[0], out.transpose(1, 2)) < 1e-4 and difference(ours[1], after) < 1e-4


def test_diagonal_plus_low_rank_equals_flash_linear_attention_s_reference() -> None:
    reference = naive("generalized_delta_rule/dplr/naive.py").dplr_recurrence
    q, k, v, a, b, decay, state = inputs((8,) * 6)
    a, b = torch.nn.functional.normalize(a, dim=-1), torch.nn.functional.normalize(b, dim=-1)
    decay = torch.nn.functional.logsigmoid(decay)
    ours = low_rank_rule(q * 8**-0.5, k, v, decay, -0.5 * a, b, state)
    out, after = reference(q, k, v, -0.5 * a, b, decay, state)
    assert difference(ours[0], out) < 1e-4 and difference(ours[1], after) < 1e-4
