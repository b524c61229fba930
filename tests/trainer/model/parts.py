"""Small models of every backbone, random tokens, and how sequences are cut."""

from typing import get_args

import torch

from trainer.model import Model, ModelConfig, Tokens
from trainer.model.config import Backbone

BACKBONES = get_args(Backbone)
LENGTH = 135
"""More than two chunks of 64 and not a multiple."""
CUTS = {
    "ragged": [7, 1, 64, 50, 13],
    "steps": [1] * LENGTH,
    "two": [64, 71],
    "around a chunk": [63, 1, 1, 70],
}


def small(backbone: str, **changes) -> Model:
    """Return a model of two blocks, 16 wide, with a vocabulary of 6 and 3 actions."""
    size = {"width": 16, "layers": 2, "heads": 2, "inner": 24, "window": 40} | changes
    return Model(ModelConfig(vocabulary=6, actions=3, backbone=backbone, **size), seed=3)


def random_tokens(batch: int, length: int, seed: int = 0) -> Tokens:
    generator = torch.Generator().manual_seed(seed)

    def ids(below: int) -> torch.Tensor:
        return torch.randint(0, below, (batch, length), generator=generator)

    reward = torch.randn(batch, length, generator=generator)
    return Tokens(ids(7), ids(5), ids(10), reward, ids(6), ids(4))


def cut(tokens: Tokens, lengths: list[int]) -> list[Tokens]:
    return [Tokens(*parts) for parts in zip(*(x.split(lengths, dim=1) for x in tokens), strict=True)]


def run(model: Model, parts: list[Tokens]):
    """Return the hidden states of all parts, one after the other, and the last state."""
    state, pieces = model.initial_state(parts[0].observation.shape[0]), []
    for part in parts:
        hidden, state = model(part, state)
        pieces.append(hidden)
    return torch.cat(pieces, dim=1), state


def tensors(state) -> list[torch.Tensor]:
    """Return what a state says, comparable: a ring of attention only where it is filled."""
    found = []
    for part in state:
        live = getattr(part, "position", None)
        for x in part:
            if isinstance(x, torch.Tensor):
                found.append(x if live is None else x[:, :, :live])
            else:
                found.append(torch.tensor(float(x)))
    return found


def gradients(model: Model, parts: list[Tokens]) -> dict[str, torch.Tensor]:
    """Return the gradients of a loss that reads the policy everywhere and the last state."""
    hidden, state = run(model, parts)
    loss = model.policy(hidden).float().square().mean()
    loss = loss + sum(x.float().square().mean() for x in tensors(state) if x.dim() > 1)
    loss.backward()
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return the largest difference relative to the largest value."""
    one, other = one.detach().double(), other.detach().double()
    return float((one - other).abs().max() / other.abs().max().clamp(min=1e-30))
