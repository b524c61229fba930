"""Muon on the blocks' matrices, AdamW on everything else; over parameters sharded by FSDP2 or whole ones.

Muon orthogonalises a whole matrix: a shard of it alone would give another, silently wrong update. The momentum is
kept sharded; all matrices' updates are gathered in one collective, orthogonalised in batches of equal shape, and each
rank keeps its rows.
"""

from typing import Any

import torch
import torch.distributed as dist
from pydantic import Field
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, Shard

from common.config import Settings

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic iteration (K. Jordan, Muon, 2024)."""

_all_gather = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
"""The older name warns in newer releases."""


class OptimiserConfig(Settings):
    """Learning rates and their schedule."""

    muon_learning_rate: float = Field(default=0.02, gt=0)
    """Peak, for matrices of the blocks: about an update's spectral norm (times sqrt(rows / columns) where over 1)."""
    adamw_learning_rate: float = Field(default=3e-3, gt=0)
    """Peak, for embeddings, heads and gains."""
    momentum: float = Field(default=0.95, ge=0, lt=1)
    """Muon's, with Nesterov's look-ahead."""
    betas: tuple[float, float] = (0.9, 0.98)
    """AdamW's."""
    epsilon: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled, times the learning rate; on matrices and tables, never on gains and biases."""
    clip: float = Field(default=1.0, gt=0)
    """Largest norm of the whole gradient."""
    warmup_steps: int = Field(default=50, ge=0)
    """Optimiser steps over which the rates rise linearly to their peaks; then they fall linearly to 0 at the last."""
    newton_schulz_steps: int = Field(default=5, ge=1)


def schedule(step: int, steps: int, warmup: int) -> float:
    """Return the share of the peak learning rate at optimiser step ``step`` (from 0) of ``steps``."""
    rising = (step + 1) / (warmup + 1)
    falling = (steps - step) / max(1, steps - warmup)
    return max(0.0, min(rising, falling, 1.0))


def orthogonalise(matrices: Tensor, steps: int) -> Tensor:
    """Return matrices (N, rows, columns) with singular values near 1, their singular vectors kept."""
    a, b, c = NEWTON_SCHULZ
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x = matrices if wide else matrices.transpose(-2, -1)
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(steps):
        gram = x @ x.transpose(-2, -1)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if wide else x.transpose(-2, -1)


def local(tensor: Tensor) -> Tensor:
    """Return this rank's part of a parameter, gradient or state; shares memory."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


class Optimiser:
    """One step from gradients to parameters; state in tensors laid out like the parameters.

    Args:
        module: Its named parameters are optimised; two-dimensional ones inside ``blocks`` by Muon.
        config: Rates and schedule.
        steps: Optimiser steps of the whole run.
    """

    def __init__(self, module: nn.Module, config: OptimiserConfig, steps: int) -> None:
        self.config, self.steps = config, steps
        named = dict(module.named_parameters())
        self.muon = {name: p for name, p in named.items() if p.ndim == 2 and "blocks." in name}
        self.adamw = {name: p for name, p in named.items() if name not in self.muon}
        with torch.no_grad():
            self.momentum = {name: torch.zeros_like(p) for name, p in self.muon.items()}
            self.first = {name: torch.zeros_like(p) for name, p in self.adamw.items()}
            self.second = {name: torch.zeros_like(p) for name, p in self.adamw.items()}

    def state(self) -> dict[str, Any]:
        """Return the state's tensors by name, for a checkpoint; loading writes into them."""
        return {"momentum": self.momentum, "first": self.first, "second": self.second}

    def rate(self, step: int) -> float:
        """Return the share of the peak learning rates at ``step``."""
        return schedule(step, self.steps, self.config.warmup_steps)

    @torch.no_grad()
    def step(self, step: int) -> float:
        """Clip the gradients, update every parameter, forget the gradients; return the norm before clipping.

        Where the norm is not finite nothing is updated.
        """
        parameters = [*self.muon.values(), *self.adamw.values()]
        gradients = [local(p.grad) for p in parameters if p.grad is not None]
        norm = self._norm(gradients)
        if norm == norm and norm != float("inf"):
            if norm > self.config.clip:
                torch._foreach_mul_(gradients, self.config.clip / norm)
            self._muon_step(self.config.muon_learning_rate * self.rate(step))
            self._adamw_step(self.config.adamw_learning_rate * self.rate(step), step + 1)
        for parameter in parameters:
            parameter.grad = None
        return norm

    def _norm(self, gradients: list[Tensor]) -> float:
        total = torch.stack(torch._foreach_norm(gradients)).square().sum()
        if any(isinstance(p, DTensor) for p in self.adamw.values()):
            dist.all_reduce(total)
        return float(total.sqrt())

    def _muon_step(self, rate: float) -> None:
        updates = {}
        for name, parameter in self.muon.items():
            if parameter.grad is None:
                continue
            momentum, gradient = local(self.momentum[name]), local(parameter.grad)
            momentum.mul_(self.config.momentum).add_(gradient)
            updates[name] = gradient.add(momentum, alpha=self.config.momentum)
        whole = gather_matrices({name: self.muon[name] for name in updates}, updates)
        for name, update in self._orthogonal(whole).items():
            parameter, part = self.muon[name], local(self.muon[name])
            if self.config.weight_decay:
                part.mul_(1 - rate * self.config.weight_decay)
            part.add_(_own_rows(parameter, update), alpha=-rate)

    def _orthogonal(self, whole: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the updates (whole matrices) orthogonalised, those of equal shape together."""
        pieces: dict[tuple[int, ...], list[tuple[str, int, Tensor]]] = {}
        for name, matrix in whole.items():
            # queries, keys and values are three maps that share one parameter
            parts = matrix.chunk(3) if name.endswith("qkv.weight") else (matrix,)
            for index, part in enumerate(parts):
                pieces.setdefault(tuple(part.shape), []).append((name, index, part))
        done: dict[str, dict[int, Tensor]] = {}
        for (rows, columns), group in pieces.items():
            stacked = orthogonalise(torch.stack([part for _, _, part in group]), self.config.newton_schulz_steps)
            stacked *= max(1.0, rows / columns) ** 0.5
            for (name, index, _), part in zip(group, stacked, strict=True):
                done.setdefault(name, {})[index] = part
        return {name: torch.cat([parts[i] for i in sorted(parts)]) for name, parts in done.items()}

    def _adamw_step(self, rate: float, number: int) -> None:
        beta1, beta2 = self.config.betas
        for name, parameter in self.adamw.items():
            if parameter.grad is None:
                continue
            gradient, part = local(parameter.grad), local(parameter)
            first, second = local(self.first[name]), local(self.second[name])
            first.lerp_(gradient, 1 - beta1)
            second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
            scale = (second / (1 - beta2**number)).sqrt_().add_(self.config.epsilon)
            if self.config.weight_decay and parameter.ndim > 1:
                part.mul_(1 - rate * self.config.weight_decay)
            part.addcdiv_(first, scale, value=-rate / (1 - beta1**number))


def gather_matrices(parameters: dict[str, Tensor], updates: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return whole matrices from every rank's rows of them, in one collective.

    Args:
        parameters: Matrices, sharded by rows over one mesh dimension, or whole.
        updates: This rank's rows of a tensor like each of them, by the same names.
    """
    sharded = {name: p for name, p in parameters.items() if isinstance(p, DTensor)}
    if not sharded:
        return updates
    mesh = next(iter(sharded.values())).device_mesh
    if any(p.device_mesh != mesh or p.placements != (Shard(0),) for p in sharded.values()):
        # several mesh dimensions: one collective a matrix
        return {
            name: DTensor.from_local(
                updates[name], p.device_mesh, p.placements, shape=p.shape, stride=p.stride()
            ).full_tensor()
            if isinstance(p, DTensor)
            else updates[name]
            for name, p in parameters.items()
        }
    ranks = mesh.size()
    rows = {name: [_row_range(p.shape[0], rank, ranks) for rank in range(ranks)] for name, p in sharded.items()}
    most = {name: (rows[name][0][1] - rows[name][0][0]) * p.shape[1] for name, p in sharded.items()}
    example = updates[next(iter(sharded))]
    mine = example.new_zeros(sum(most.values()))
    place = 0
    for name in sharded:
        mine[place : place + updates[name].numel()] = updates[name].flatten()
        place += most[name]
    gathered = mine.new_empty(ranks * mine.numel())
    _all_gather(gathered, mine, group=mesh.get_group())
    everyone = gathered.view(ranks, -1)
    whole, place = dict(updates), 0
    for name, parameter in sharded.items():
        columns = parameter.shape[1]
        whole[name] = torch.cat(
            [
                everyone[rank, place : place + (end - first) * columns].view(end - first, columns)
                for rank, (first, end) in enumerate(rows[name])
            ]
        )
        place += most[name]
    return whole


def _row_range(size: int, rank: int, ranks: int) -> tuple[int, int]:
    """Return the rows of a matrix that FSDP2 gives to a rank: even pieces, the last ones short or empty."""
    piece = -(-size // ranks)
    return min(size, rank * piece), min(size, (rank + 1) * piece)


def _own_rows(parameter: Tensor, whole: Tensor) -> Tensor:
    """Return this rank's part of ``whole``, laid out like ``parameter``."""
    if not isinstance(parameter, DTensor):
        return whole
    if parameter.placements == (Shard(0),):
        first, end = _row_range(whole.shape[0], parameter.device_mesh.get_local_rank(), parameter.device_mesh.size())
        return whole[first:end]
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(whole, parameter.device_mesh, parameter.placements, src_data_rank=None).to_local()
