"""Run under torchrun: counts the collectives of one optimiser step over many segments; prints them as JSON."""

import json
import os
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from torch.utils._python_dispatch import TorchDispatchMode

from tests.trainer.rank_steps import ACTIONS, LENGTH, VOCABULARY, rows
from trainer.config import TrainConfig
from trainer.model import ModelConfig
from trainer.optim import Optimiser
from trainer.parallel import process_group
from trainer.passes import Passes
from trainer.setup import build
from trainer.tokens import batch_of


class Collectives(TorchDispatchMode):
    """Counts what goes over the process group, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.namespace in ("c10d", "_c10d_functional"):
            self.seen[function._schema.name.split("::")[1].strip("_")] += 1
        return function(*args, **(kwargs or {}))


def main() -> None:
    found = {}
    with process_group(1) as ranks:
        for segment in (LENGTH, 3):
            config = TrainConfig.model_validate(
                {"name": "x", "steps": 9, "batch": 5, "segment": segment, "optimiser": {"name": "adamw"}}
            )
            size = ModelConfig(vocabulary=VOCABULARY, actions=ACTIONS, **config.model.model_dump())
            objective = build(config, size, None, ranks)
            optimiser = Optimiser(objective, config.optimiser, config.steps)
            passes = Passes(objective, config, LENGTH, ranks.device)
            own = np.array_split(np.arange(5), ranks.count)[ranks.rank]
            batch = batch_of(rows(0).pick(own), np.full(len(own), 3), VOCABULARY, ACTIONS, "oracle")
            for _ in range(2):  # the second step is an ordinary one
                with Collectives() as counting:
                    passes.run(batch, 0, ranks.sum(passes.counts(batch))[0], None)
                    optimiser.step(0)
            found[str(LENGTH // segment)] = dict(counting.seen)
        if ranks.first:
            print(json.dumps(found))


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)
