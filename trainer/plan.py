"""What a run would be, before anything is touched: sizes from the one dial, steps, and the memory of each rank.

The model and its sharding are built for real, on the meta device and over a make-believe process group of the wanted
size, so nothing is allocated and no GPU is needed; activations are estimated.
"""

import threading
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor

from common import cli
from trainer.config import TrainConfig
from trainer.data.mixture import Mixture
from trainer.loss import Objective
from trainer.model import Model, ModelConfig
from trainer.model.size import reasons
from trainer.optim import Optimiser
from trainer.optim.optimiser import local
from trainer.parallel import check_ranks, mesh_of, shard

KEPT = {"transformer": {"fp32": 64, "bf16": 44}}
KEPT_BY_OTHERS = {"fp32": 184, "bf16": 169}
"""Bytes that a block keeps for its backward pass, per position and channel of the stream: measured with
``torch.autograd.graph.saved_tensors_hooks`` at widths 64 and 256; of the recurrent ones on the gated delta block."""


def model_config(config: TrainConfig, mixture: Mixture) -> ModelConfig:
    """Return the model's settings: sizes and wanted discounts from the recipe, vocabularies from the data."""
    return ModelConfig(
        trained_discounts=config.augment.discounts,
        vocabulary=mixture.vocabulary,
        actions=mixture.actions,
        observation_tokens=mixture.observation_tokens,
        **config.model.model_dump(),
    )


def announce(config: TrainConfig, size: ModelConfig) -> list[str]:
    """Return lines that say what follows from the dial, and why."""
    count = Model(size, device="meta").parameter_count()
    optimiser = config.optimiser
    muon = f"Muon {optimiser.muon_learning_rate:g} on matrices, " if optimiser.name == "muon" else ""
    rule = f"{optimiser.schedule} after {optimiser.warmup_steps} steps"
    return [
        f"model: {size.backbone}, {count:,} parameters",
        *(f"  {line}" for line in reasons(size.layers, size.width, size.heads, size.head_size, size.inner)),
        f"  rates: {muon}AdamW {optimiser.adamw_learning_rate:g}; {rule}",
    ]


def plan(config: TrainConfig, size: ModelConfig, mixture: Mixture, ranks: int) -> dict[str, Any]:
    """Return the facts of a run on ``ranks`` ranks.

    Raises:
        UsageError: The settings do not allow so many.
    """
    check_ranks(ranks, config.batch, config.parallel.shard_over)
    memory = memory_of(config, size, mixture.length, ranks)
    sequences = sum(source.shards * source.sequences_per_shard for source in mixture.sources)
    rows = config.steps * config.batch * mixture.length // config.updates_per_batch(mixture.length)
    return {
        "recipe": config.name,
        "ranks": ranks,
        "parameters": Model(size, device="meta").parameter_count(),
        "model": size.model_dump(mode="json"),
        "steps": config.steps,
        "environment_steps": rows,
        "epochs": rows / (sequences * mixture.length),
        "rows_per_pass": min(config.segment or mixture.length, mixture.length),
        "sequences_per_rank": -(-config.batch // ranks),
        "bytes_per_rank": memory,
    }


def memory_of(config: TrainConfig, size: ModelConfig, length: int, ranks: int) -> dict[str, int]:
    """Return bytes that the fullest rank needs, by what for; parameters and states exact, activations estimated."""
    parameters, gathered, states = _sharded_bytes(config, size, ranks)
    sequences = -(-config.batch // ranks)
    rows = min(config.segment or length, length) * sequences
    kept = KEPT.get(size.backbone, KEPT_BY_OTHERS)[config.precision]
    inside = rows * size.positions * size.width * kept
    between = rows * size.positions * size.width * 4
    blocks = size.layers * between + inside if config.recompute else size.layers * inside
    heads = rows * (12 * (size.observation_tokens * size.vocabulary + size.actions) + 32 * size.width)
    state = sum(x.numel() * x.element_size() for part in _state(size) for x in part if isinstance(x, torch.Tensor))
    batch = length * sequences * (8 * (6 + 2 * size.observation_tokens) + 4 * size.actions + 20)
    parts = {
        "parameters": parameters,
        "gathered parameters and gradients": gathered,
        "optimiser": states,
        "activations (estimated)": blocks + heads,
        "state carried between segments": state * sequences,
        "batches": batch * (1 + config.data.prefetch),
    }
    return parts | {"total": sum(parts.values())}


def _state(size: ModelConfig) -> Any:
    model = Model(size, device="meta")
    return model.initial_state(1, torch.device("meta"))


def _sharded_bytes(config: TrainConfig, size: ModelConfig, ranks: int) -> tuple[int, int, int]:
    """Return bytes of a rank's parameters, of what is gathered with its gradients, and of its optimiser's state."""
    found: list[tuple[int, int, int]] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            found.append(_built(config, size, ranks))
        except BaseException as error:
            failed.append(error)

    # a process group belongs to the process: leave none behind
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]


def _built(config: TrainConfig, size: ModelConfig, ranks: int) -> tuple[int, int, int]:
    from torch.testing._internal.distributed.fake_pg import FakeStore

    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=ranks)
    try:
        objective = Objective(Model(size, device="meta"), config.precision)
        by_block = config.parallel.units == "block"
        blocks = objective.model.blocks if by_block else None
        shard(objective, mesh_of("cpu", ranks, config.parallel.shard_over), blocks)
        optimiser = Optimiser(objective, config.optimiser, config.steps, size.width)
        own = sum(_bytes(local(p)) for p in objective.parameters())
        whole = sum(p.numel() * p.element_size() for p in objective.parameters())
        largest = max(sum(p.numel() * 4 for p in block.parameters()) for block in objective.model.blocks)
        rest = whole - sum(p.numel() * 4 for p in objective.model.blocks.parameters())
        # gradients are summed whole until the step's last segment
        gathered = (rest + 2 * largest if by_block else whole) + whole
        states = [part for group in optimiser.state().values() for part in group.values()]
        assert all(isinstance(p, DTensor) for p in objective.parameters())
        return own, gathered, sum(_bytes(local(part)) for part in states)
    finally:
        dist.destroy_process_group()


def _bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def print_plan(config: TrainConfig, size: ModelConfig, mixture: Mixture, ranks: int, as_json: bool) -> int:
    """Print the facts of a run; return the exit code. Raises as of ``plan``."""
    facts = plan(config, size, mixture, ranks)
    if as_json:
        cli.print_json(facts)
        return 0
    for line in announce(config, size):
        print(line)
    print(
        f"steps: {facts['steps']:,}, {facts['environment_steps']:,} environment steps, {facts['epochs']:.2f} epochs; "
        f"{facts['sequences_per_rank']} sequences a rank, {facts['rows_per_pass']:,} rows a pass"
    )
    print(f"memory of each of {ranks} ranks:")
    for name, size_bytes in facts["bytes_per_rank"].items():
        print(f"  {name:36s} {size_bytes / 2**20:12,.1f} MiB")
    return 0
