"""One step from gradients to parameters; over parameters sharded by FSDP2 or whole ones."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from trainer.model.size import adamw_learning_rate
from trainer.optim.config import OptimiserConfig, schedule
from trainer.optim.muon import gather_matrices, orthogonal_updates, own_rows

WIDTH = 64
"""Whose learning rate a module without a width of its own is given."""


def local(tensor: Tensor) -> Tensor:
    """Return this rank's part of a parameter, gradient or state; shares memory."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


class Optimiser:
    """One step from gradients to parameters; state in tensors laid out like the parameters.

    Args:
        module: Its named parameters are optimised; two-dimensional ones inside ``blocks`` by Muon.
        config: Rates and schedule.
        steps: Optimiser steps of the whole run.
        width: Of the model, for AdamW's rate where the settings leave it open.
    """

    def __init__(self, module: nn.Module, config: OptimiserConfig, steps: int, width: int = WIDTH) -> None:
        self.config, self.steps = config, steps
        self.adamw_rate = config.adamw_learning_rate or adamw_learning_rate(width)
        named = dict(module.named_parameters())
        takes = config.name == "muon"
        self.muon = {name: p for name, p in named.items() if takes and p.ndim == 2 and "blocks." in name}
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
        config = self.config
        return schedule(step, self.steps, config.warmup_steps, config.schedule, config.floor)

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of the blocks' matrices at ``step``."""
        return (self.config.muon_learning_rate if self.muon else self.adamw_rate) * self.rate(step)

    @torch.no_grad()
    def step(self, step: int) -> float:
        """Clip, update and forget the gradients; return their norm before clipping. Not finite: nothing is updated."""
        norm = self.norm()
        if norm == norm and norm != float("inf"):
            self.apply(step, norm)
        else:
            self.forget()
        return norm

    @torch.no_grad()
    def norm(self) -> float:
        """Return the norm of the whole gradient, the same on every rank."""
        parameters = [*self.muon.values(), *self.adamw.values()]
        total = torch.stack(torch._foreach_norm(self._gradients())).square().sum()
        sharded = next((p for p in parameters if isinstance(p, DTensor)), None)
        if sharded is not None:
            # with hybrid sharding the last dimension shards, the others hold copies
            dist.all_reduce(total, group=sharded.device_mesh.get_group(sharded.device_mesh.ndim - 1))
        return float(total.sqrt())

    @torch.no_grad()
    def apply(self, step: int, norm: float) -> None:
        """Clip the gradients, whose norm is given, update every parameter, forget the gradients."""
        if norm > self.config.clip > 0:
            torch._foreach_mul_(self._gradients(), self.config.clip / norm)
        share = self.rate(step)
        self._muon_step(self.config.muon_learning_rate * share)
        self._adamw_step(self.adamw_rate * share, step + 1)
        self.forget()

    def forget(self) -> None:
        """Drop the gradients."""
        for parameter in (*self.muon.values(), *self.adamw.values()):
            parameter.grad = None

    def _gradients(self) -> list[Tensor]:
        return [local(p.grad) for p in (*self.muon.values(), *self.adamw.values()) if p.grad is not None]

    def _muon_step(self, rate: float) -> None:
        updates = {}
        for name, parameter in self.muon.items():
            if parameter.grad is None:
                continue
            momentum, gradient = local(self.momentum[name]), local(parameter.grad)
            momentum.mul_(self.config.momentum).add_(gradient)
            updates[name] = gradient.add(momentum, alpha=self.config.momentum)
        whole = gather_matrices({name: self.muon[name] for name in updates}, updates)
        for name, update in orthogonal_updates(whole, self.config.newton_schulz_steps).items():
            parameter, part = self.muon[name], local(self.muon[name])
            if self.config.weight_decay:
                part.mul_(1 - rate * self.config.weight_decay)
            part.add_(own_rows(parameter, update), alpha=-rate)

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
