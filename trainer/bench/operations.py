"""Floating-point operations of a trained step, by formula: no counter runs while it is timed.

A multiplication and an addition are two operations; a backward pass costs twice its forward pass.
"""

from typing import cast

from torch import nn

from trainer.model import Model
from trainer.model.block import Block


def operations(model: Model, length: int) -> float:
    """Return the operations of one trained step of the world, on average over a context of ``length`` steps."""
    config = model.config
    positions = config.positions
    blocks = sum(_matrices(block) * 2.0 for block in model.blocks)
    mixing = sum(cast(Block, block).mixer.operations(length * positions) for block in model.blocks)
    # taken actions are looked up before they are multiplied: their matrix counts as any other
    heads = _matrices(model) - sum(_matrices(block) for block in model.blocks)
    return 3.0 * (positions * (blocks + mixing) + 2.0 * heads)


def _matrices(module: nn.Module) -> int:
    return sum(part.weight.numel() for part in module.modules() if isinstance(part, nn.Linear))
