"""The capability probe takes a kernel that agrees and no other. Kernels need CUDA: stand-ins play them on the CPU.

A stand-in has the signature of flash-linear-attention 0.6 (held against its source where that is installed) and goes
step by step in its layout, so that names, order, layouts, scale, padding and states are those of the real call.
"""

import ast
import importlib.util
import inspect
import logging
import sys
import types
from pathlib import Path

import pytest
import torch

from common.errors import UsageError
from trainer.model import kernels
from trainer.model.diagonal import diagonal_rule, low_rank_rule
from trainer.model.gated_slot_attention import slot_attention
from trainer.model.mamba2 import scalar_rule
from trainer.model.recurrence import delta_rule

from .parts import cut, difference, gradients, random_tokens, run, small, tensors

RULES = {
    "gated delta rule": delta_rule,
    "gated linear attention": diagonal_rule,
    "gated slot attention": slot_attention,
    "diagonal plus low rank": low_rank_rule,
    "scalar gate": scalar_rule,
}
BY_BACKBONE = {
    "gated-delta-net": "gated delta rule",
    "gated-linear-attention": "gated linear attention",
    "gated-slot-attention": "gated slot attention",
    "rwkv7": "diagonal plus low rank",
    "mamba2": "scalar gate",
}
SIGNATURES = {
    "chunk_gated_delta_rule": "q, k, v, g, beta, scale=None, initial_state=None, output_final_state=False, "
    "use_qk_l2norm_in_kernel=False, use_beta_sigmoid_in_kernel=False, allow_neg_eigval=False, state_v_first=False, "
    "cu_seqlens=None, cu_seqlens_cpu=None, chunk_indices=None, cp_context=None, **kwargs",
    "chunk_gla": "q, k, v, g, scale=None, initial_state=None, output_final_state=False, state_v_first=False, "
    "cu_seqlens=None, cu_seqlens_cpu=None",
    "chunk_gsa": "q, k, v, s, g=None, scale=None, initial_state=None, output_final_state=False, checkpoint_level=2, "
    "cu_seqlens=None, cu_seqlens_cpu=None, **kwargs",
    "chunk_dplr_delta_rule": "q, k, v, a, b, gk, scale=None, initial_state=None, output_final_state=False, "
    "cu_seqlens=None, cu_seqlens_cpu=None, safe_gate=False, chunk_size=None, disable_recompute=False, "
    "cp_context=None, lower_bound=None, **kwargs",
    "chunk_simple_gla": "q, k, v, g=None, g_gamma=None, scale=None, initial_state=None, output_final_state=False, "
    "state_v_first=False, cu_seqlens=None, cu_seqlens_cpu=None, **kwargs",
}
"""Of flash-linear-attention 0.6; all inputs are (B, T, H, ..), states (B, H, K, V)."""
FILES = {
    "chunk_gated_delta_rule": "gated_delta_rule/chunk.py",
    "chunk_gla": "gla/chunk.py",
    "chunk_gsa": "gsa/chunk.py",
    "chunk_dplr_delta_rule": "generalized_delta_rule/dplr/chunk.py",
    "chunk_simple_gla": "simple_gla/chunk.py",
}


class StandIn:
    """A kernel that goes step by step, off by a share; it refuses what the real one is not tested for."""

    def __init__(self, function: str, error: float = 0.0, refuses: tuple[str, ...] = ()) -> None:
        self.signature = inspect.signature(eval(f"lambda {SIGNATURES[function]}: None"))
        self.error, self.refuses = error, refuses
        self.lengths: list[int] = []
        self.dtypes: list[torch.dtype] = []

    def __call__(self, *arguments, **named):
        bound = self.signature.bind(*arguments, **named)
        assert not bound.arguments.get("kwargs"), "no argument that the signature does not name"
        bound.apply_defaults()
        given = bound.arguments
        if unknown := [name for name in self.refuses if name in named]:
            raise TypeError(f"unexpected keyword argument {unknown[0]!r}")
        inputs = {
            n: x for n, x in given.items() if n in ("q", "k", "v", "g", "gk", "beta", "a", "b", "s") and x is not None
        }
        batch, length, heads = given["q"].shape[:3]
        for name, x in inputs.items():
            assert x.shape[:3] == (batch, length, heads) and x.is_contiguous(), name
            assert x.dtype == (torch.float32 if name in ("g", "gk") else given["q"].dtype), name
        assert length % 64 == 0 and given["scale"] == 1.0 and given["output_final_state"]
        self.lengths.append(length)
        self.dtypes.append(given["q"].dtype)
        inputs = {name: x.float() for name, x in inputs.items()}
        states = given["initial_state"]
        for state in states if isinstance(states, tuple) else (states,):
            assert state.dtype == torch.float32 and state.shape[:2] == (batch, heads)
        if "s" in inputs:
            out, after = slots(inputs, *states)
        else:
            assert states.shape[2:] == (given["k"].shape[3], given["v"].shape[3])
            out, after = steps(inputs, states)
        return (out * (1 + self.error)).to(given["q"].dtype), after


def steps(inputs: dict, state: torch.Tensor):
    """One matrix a head, position by position, in the kernels' layout."""
    q, k, v, beta, a = (inputs.get(name) for name in ("q", "k", "v", "beta", "a"))
    decay, outputs = inputs.get("g", inputs.get("gk")), []
    decay = decay if decay.dim() == 4 else decay[..., None]
    for t in range(q.shape[1]):
        before, state = state, state * decay[:, t, :, :, None].exp()
        value = v[:, t]
        if beta is not None:
            value = beta[:, t, :, None] * (value - torch.einsum("bhk,bhkv->bhv", k[:, t], state))
        state = state + k[:, t, :, :, None] * value[:, :, None, :]
        if a is not None:
            read = torch.einsum("bhk,bhkv->bhv", a[:, t], before)
            state = state + inputs["b"][:, t, :, :, None] * read[:, :, None, :]
        outputs.append(torch.einsum("bhk,bhkv->bhv", q[:, t], state))
    return torch.stack(outputs, dim=1), state


def slots(inputs: dict, keys: torch.Tensor, values: torch.Tensor):
    """Slots of keys (B, H, K, M) and values (B, H, M, V), position by position."""
    outputs = []
    for t in range(inputs["q"].shape[1]):
        q, k, v, s, g = (inputs[name][:, t] for name in "qkvsg")
        keys = keys * g.exp()[:, :, None, :] + k[..., None] * s[:, :, None, :]
        values = values * g.exp()[..., None] + s[..., None] * v[:, :, None, :]
        read = torch.einsum("bhk,bhkm->bhm", q, keys).softmax(-1)
        outputs.append(torch.einsum("bhm,bhmv->bhv", read, values))
    return torch.stack(outputs, dim=1), (keys, values)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch):
    """Return a function that puts a stand-in where flash-linear-attention's kernel would be."""

    def install(name: str, error: float = 0.0, refuses: tuple[str, ...] = ()) -> StandIn:
        kernel = kernels.KERNELS[name]
        module = types.ModuleType(kernel.module)
        stand_in = StandIn(kernel.function, error, refuses)
        setattr(module, kernel.function, stand_in)
        for package in ("fla", "fla.ops"):
            monkeypatch.setitem(sys.modules, package, types.ModuleType(package))
        monkeypatch.setitem(sys.modules, kernel.module, module)
        forget()
        return stand_in

    yield install
    forget()


def forget() -> None:
    kernels.choose.cache_clear()
    kernels.CHOSEN.clear()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", RULES)
def test_a_kernel_that_agrees_is_chosen_and_that_is_logged(name: str, dtype: torch.dtype, installed, caplog) -> None:
    stand_in = installed(name)
    with caplog.at_level(logging.WARNING):
        choice = kernels.choose(name, kernels.FORMS[name], "cpu", dtype)
    assert choice.kernel is not None, choice.reason
    assert f"{name}: flash-linear-attention in {str(dtype)[6:]}, for it is within" in caplog.text
    assert stand_in.lengths == [192], "150 positions, padded to a multiple of 64"
    assert stand_in.dtypes == [dtype]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_first_pass_without_autograd_is_checked_with_it(mode, installed) -> None:
    installed("gated delta rule")
    with mode():
        choice = kernels.choose("gated delta rule", kernels.FORMS["gated delta rule"], "cpu")
    assert choice.kernel is not None, choice.reason


@pytest.mark.parametrize("name", RULES)
def test_a_kernel_that_is_off_is_not(name: str, installed, caplog) -> None:
    installed(name, 0.05)
    choice = kernels.choose(name, kernels.FORMS[name], "cpu")
    assert choice.kernel is None and "off by" in choice.reason
    assert f"{name}: PyTorch" in caplog.text


def test_options_that_a_kernel_refuses_give_way(installed) -> None:
    stand_in = installed("diagonal plus low rank", refuses=("lower_bound",))
    choice = kernels.choose("diagonal plus low rank", low_rank_rule, "cpu")
    assert choice.kernel is not None and "lower_bound" not in choice.reason
    assert len(stand_in.lengths) == 1
    installed("diagonal plus low rank")
    assert "lower_bound -0.6" in kernels.choose("diagonal plus low rank", low_rank_rule, "cpu").reason


@pytest.mark.parametrize("lengths", [[150], [33, 1, 64, 52]], ids=["whole", "segments"])
@pytest.mark.parametrize("backbone", BY_BACKBONE)
def test_a_model_on_kernels_equals_the_model_without(backbone: str, lengths: list[int], installed, monkeypatch) -> None:
    parts = cut(random_tokens(2, 150), lengths)
    expected, slopes = run(small(backbone), parts), gradients(small(backbone), parts)
    stand_in = installed(BY_BACKBONE[backbone])
    monkeypatch.setattr(kernels, "DEVICES", ("cpu",))
    hidden, state = run(small(backbone), parts)
    assert set(stand_in.lengths[1:]) == {64 * -(-length // 64) for length in lengths if length > 1}
    assert difference(hidden, expected[0]) < 1e-4
    for one, other in zip(tensors(state), tensors(expected[1]), strict=True):
        assert one.dtype == torch.float32 and difference(one, other) < 1e-4
    for name, gradient in gradients(small(backbone), parts).items():
        assert difference(gradient, slopes[name]) < 1e-4, name


@pytest.mark.parametrize("backbone", BY_BACKBONE)
def test_under_autocast_kernels_see_bfloat16_and_float32_states(backbone: str, installed, monkeypatch) -> None:
    tokens = random_tokens(2, 100)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected, _ = run(small(backbone), [tokens])
        stand_in = installed(BY_BACKBONE[backbone])
        monkeypatch.setattr(kernels, "DEVICES", ("cpu",))
        hidden, state = run(small(backbone), [tokens])
    assert set(stand_in.dtypes) == {torch.bfloat16}
    assert difference(hidden, expected) < 0.05
    assert all(x.dtype == torch.float32 for x in tensors(state))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler's own
@pytest.mark.parametrize("error", [0.0, 0.5], ids=["agrees", "is off"])
def test_compiled_blocks_go_around_the_kernel_and_compile_the_form(error: float, installed, monkeypatch) -> None:
    torch.compiler.reset()
    tokens = random_tokens(2, 100)
    with torch.no_grad():
        expected, _ = run(small("rwkv7"), [tokens])
        stand_in = installed("diagonal plus low rank", error)
        monkeypatch.setattr(kernels, "DEVICES", ("cpu",))
        model = small("rwkv7")
        assert ("kernel" if error == 0 else "PyTorch") in model.programs()[0]
        model.compile_blocks("eager")
        hidden, _ = run(model, [tokens])
    assert difference(hidden, expected) < 1e-4
    assert (128 in stand_in.lengths) == (error == 0)


def test_without_the_package_the_pytorch_form_runs_and_the_log_says_why(caplog) -> None:
    forget()
    if importlib.util.find_spec("triton") is not None:
        pytest.skip("triton is installed, so that flash-linear-attention may load")
    choice = kernels.choose("gated delta rule", delta_rule, "cpu")
    assert choice.kernel is None and "does not run: " in choice.reason and "Error" in choice.reason
    assert kernels.describe(tuple(RULES), "cpu")[0] == "gated delta rule: PyTorch, for kernels need CUDA"


def test_tensors_that_kernels_cannot_index_are_refused() -> None:
    large = torch.empty(1, device="meta").expand(64, 8, 65_536, 64)
    with pytest.raises(UsageError, match=r"2\^31.*lower segment"):
        kernels._prepared(large, torch.float32)
    states = [torch.empty(1, device="meta").expand(64, 8, 64, 64)]
    kernels._check_states(states, 65_472, 64)
    with pytest.raises(UsageError, match=r"2\^31.*between chunks of 64 positions; lower segment"):
        kernels._check_states(states, 65_473, 64)


@pytest.mark.parametrize("function", SIGNATURES)
def test_the_stand_in_s_signature_is_the_kernel_s(function: str) -> None:
    tree = ast.parse((source() / FILES[function]).read_text(encoding="utf-8"))
    found = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function)
    for argument in ast.walk(found.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    assert ast.unparse(found.args).replace(" = ", "=") == SIGNATURES[function]


def source() -> Path:
    """Return the folder of flash-linear-attention's operations."""
    found = importlib.util.find_spec("fla")
    if found is None or importlib.util.find_spec("einops") is None:
        pytest.skip("flash-linear-attention's source (packages fla-core and einops, --no-deps) is not installed")
    return Path(next(iter(found.submodule_search_locations))) / "ops"


def naive(path: str):
    """Load one of flash-linear-attention's reference files, without its package, which needs triton."""
    spec = importlib.util.spec_from_file_location(f"reference_{path.replace('/', '_')[:-3]}", source() / path)
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


def test_gated_slot_attention_equals_flash_linear_attention_s_reference() -> None:
    reference = naive("gsa/naive.py").naive_recurrent_gsa
    q, k, v, fill, forget, keys = inputs((8,) * 5)
    values = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(3))
    forget, fill = torch.nn.functional.logsigmoid(forget), fill.sigmoid()
    ours = slot_attention(q * 8**-0.5, k, v, fill, forget, keys, values)
    out, after = reference(*(x.transpose(1, 2) for x in (q, k, v, fill, forget)), None, (keys, values), True)
    assert difference(ours[0], out.transpose(1, 2)) < 1e-4
    assert difference(ours[1], after[0]) < 1e-4 and difference(ours[2], after[1]) < 1e-4


def test_mamba_2_s_rule_equals_flash_linear_attention_s_reference() -> None:
    """Their state space duality is gated linear attention with one gate a head."""
    reference = naive("simple_gla/naive.py").naive_recurrent_simple_gla
    q, k, v, decay, state = inputs((8, 8, 8, 1))
    q, k, decay = q[:, :1], k[:, :1], torch.nn.functional.logsigmoid(decay[..., 0])
    ours = scalar_rule(q, k, v, decay, state)
    wide = [x.expand(-1, 2, -1, -1).transpose(1, 2) for x in (q, k)]
    out, after = reference(*wide, v.transpose(1, 2), decay.transpose(1, 2), 1.0, state, True)
    assert difference(ours[0], out.transpose(1, 2)) < 1e-4 and difference(ours[1], after) < 1e-4
