"""Initial weights: a function of the seed and the shapes alone, whole or sharded, on any device."""

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

SMALL_HEADS = ("policy_head.", "discounts_head.", "world_head.")
"""Their outputs begin near zero: every action equally likely."""


@torch.no_grad()
def initialise(model: nn.Module, seed: int, layers: int) -> None:
    """Draw every parameter of ``model``; the global generator is left alone.

    Gains begin at 1, biases at 0, matrices at random with variance 1 / columns (those that leave a block with less, by
    its depth); a module's ``initial_values`` go before.

    Args:
        model: Its parameters are filled, where they lie.
        seed: Of the drawing.
        layers: Blocks, each of which adds twice to the residual stream.
    """
    generator = torch.Generator().manual_seed(seed)
    given = {
        f"{prefix}.{name}": value
        for prefix, module in model.named_modules()
        if hasattr(module, "initial_values")
        for name, value in module.initial_values().items()
    }
    for name, parameter in model.named_parameters():
        if name in given:
            _fill(parameter, given[name])
        elif name.endswith("gain"):
            _fill(parameter, torch.ones(parameter.shape))
        elif name.endswith("bias"):
            _fill(parameter, torch.zeros(parameter.shape))
        else:
            scale = _scale(name, parameter, (2 * layers) ** -0.5)
            _fill(parameter, torch.randn(parameter.shape, generator=generator) * scale)


def _scale(name: str, parameter: Tensor, depth: float) -> float:
    scale = 0.5 if name.startswith(("embedding.", "taken.")) else (parameter.numel() / parameter.shape[0]) ** -0.5
    if name.endswith(("mixer.out.weight", "down.weight")):
        scale *= depth
    return 0.1 * scale if name.startswith(SMALL_HEADS) else scale


def _fill(parameter: Tensor, whole: Tensor) -> None:
    if isinstance(parameter, DTensor):
        mesh = parameter.device_mesh
        # every rank draws the same: nothing is sent
        whole = distribute_tensor(whole.to(mesh.device_type), mesh, parameter.placements, src_data_rank=None)
    parameter.copy_(whole)
