"""Run under torchrun: every backbone sharded, in segments, recomputing; prints how far it is from one process."""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import torch
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from tests.trainer.model.parts import BACKBONES, CUTS, LENGTH, cut, difference, random_tokens, run, small, tensors
from trainer.model import Model, ModelConfig
from trainer.model.initial import initialise
from trainer.parallel import Ranks, process_group

# inputs are not cast: they hold the states, which stay float32
BFLOAT16 = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32, cast_forward_inputs=False)
POLICIES = {"float32": MixedPrecisionPolicy(), "bfloat16": BFLOAT16}


class Policy(torch.nn.Module):
    """Reads all parts, state carried, in one forward: one unit for sharding."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, parts):
        hidden, state = run(self.model, parts)
        return self.model.policy(hidden), [x for x in tensors(state) if x.dim() > 1]


def outcome(module: torch.nn.Module, parts) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Return logits and gradients, whole."""
    logits, states = module(parts)
    sum(x.float().square().mean() for x in (logits, *states)).backward()
    found = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
    return logits.detach(), {name: g.full_tensor() if hasattr(g, "full_tensor") else g for name, g in found.items()}


def sharded(config: ModelConfig, policy: MixedPrecisionPolicy, ranks: Ranks) -> Policy:
    """Return the model built on meta, sharded block by block, then filled, each rank its part."""
    module = Policy(Model(config, device="meta"))
    for block in module.model.blocks:
        fully_shard(block, mesh=ranks.mesh, mp_policy=policy)
    fully_shard(module, mesh=ranks.mesh, mp_policy=policy)
    module.to_empty(device=ranks.device)
    initialise(module.model, 3, 2)
    module.model.recompute = True
    return module


def main() -> None:
    report = {}
    with process_group(1) as ranks:
        for backbone in BACKBONES:
            tokens = random_tokens(2, LENGTH)
            one = Policy(small(backbone))
            logits, gradients = outcome(one, [tokens])
            report[backbone] = {}
            for name, policy in POLICIES.items():
                other, others = outcome(sharded(one.model.config, policy, ranks), cut(tokens, CUTS["ragged"]))
                found = {"logits": difference(other, logits), "compared": len(others)}
                found["gradients"] = max(difference(others[key], gradients[key]) for key in gradients)
                off, norm = (
                    torch.stack([(others[key] * share - gradients[key]).norm() for key in gradients]).norm()
                    for share in (1, 0)
                )
                report[backbone][name] = found | {"whole_gradient": float(off / norm)}
        if ranks.first:
            print(json.dumps(report))


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)
