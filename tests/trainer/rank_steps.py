"""Run under torchrun: three optimiser steps on fixed data; the first rank writes losses and whole parameters."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from torch.distributed.tensor import DTensor

from trainer.loss import HEADS, LossWeights, Objective, share_of_loss
from trainer.model import Model, ModelConfig
from trainer.optim import Optimiser, OptimiserConfig
from trainer.parallel import process_group, shard, sync_gradients
from trainer.passes import detached
from trainer.tokens import Rows, batch_of

SEQUENCES, LENGTH, VOCABULARY, ACTIONS = 5, 24, 6, 3


def rows(step: int) -> Rows:
    """Return sequences whose numbers of valid targets differ widely."""
    rng = np.random.default_rng(step)
    shape = (SEQUENCES, LENGTH)
    action = rng.integers(0, ACTIONS, shape).astype(np.uint8)
    action[0, ::2] = ACTIONS
    oracle = rng.integers(0, 2**ACTIONS, (SEQUENCES, 4, VOCABULARY)).astype(np.uint8)
    oracle[1:3] = 0
    return Rows(
        rng.integers(0, VOCABULARY, shape).astype(np.uint8),
        action,
        rng.normal(size=shape).astype(np.float32),
        np.where(action == ACTIONS, 8, 6).astype(np.uint8),
        oracle,
    )


def main(out: str, segment: int) -> None:
    with process_group(1) as ranks:
        # 33 channels inside: rows do not divide evenly over the ranks
        config = ModelConfig(vocabulary=VOCABULARY, actions=ACTIONS, width=16, layers=2, heads=2, inner=33, window=64)
        objective = Objective(Model(config, seed=1))
        shard(objective, ranks.mesh)
        optimiser = Optimiser(objective, OptimiserConfig(warmup_steps=0, clip=0.5), 100)
        own = np.array_split(np.arange(SEQUENCES), ranks.count)[ranks.rank]
        saved: dict[str, np.ndarray] = {}
        for step in range(3):
            part = rows(step).pick(own)
            batch = batch_of(part, np.full(len(own), 3), VOCABULARY, ACTIONS, "oracle")
            counts = ranks.sum(batch.targets.counts())
            losses, state = torch.zeros(len(HEADS)), None
            for first in range(0, LENGTH, segment):
                final = first + segment >= LENGTH
                sync_gradients(objective, final)
                outcome, state = objective(batch.segment(first, first + segment), state)
                heads = share_of_loss(outcome, counts)
                (heads * LossWeights().vector()).sum().backward()
                losses += heads.detach()
                state = detached(state)
            saved[f"norm{step}"] = np.array(optimiser.step(step))
            saved[f"loss{step}"] = ranks.sum(losses).numpy()
            if step in (0, 2):
                for name, parameter in objective.named_parameters():
                    whole = parameter.full_tensor() if isinstance(parameter, DTensor) else parameter
                    saved[f"{name}@{step}"] = whole.detach().numpy().copy()
        if ranks.first:
            np.savez(out, **saved)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
    sys.stdout.flush()
    os._exit(0)
