"""The benchmark on a GPU: every cell in turn, beside the ceilings of the same card in the same run."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from common.errors import UsageError
from trainer.bench import ceilings
from trainer.bench.device import pace
from trainer.config import TrainConfig

SHAPES = ((8192, 8192, 8192), (131_072, 256, 768), (131_072, 512, 1536))
"""Of the products whose best rate is the peak: a large square, and the sizes of the models."""
COPIED = 1 << 30
HEADING = (
    f"{'backbone':23s} {'layout':10s} {'parameters':>11s} {'context':>8s} {'batch':>12s} {'steps/s':>11s} "
    f"{'of peak':>8s} {'MFLOP':>8s} {'GiB':>6s} compiled"
)


def measure(
    cells: Sequence[tuple[TrainConfig, int]],
    device: str,
    rows: int,
    timed: float,
    command: str,
    say: Callable[[str], None],
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the machine with its ceilings, and a line for each (settings, context).

    Args:
        cells: What is trained.
        device: ``cuda``; ``cpu`` is for trying this out.
        rows: Steps passed at once to begin with; halved where memory is short.
        timed: Seconds of timing each, at least.
        command: As it was typed.
        say: Told the table, line by line.

    Raises:
        UsageError: There is no such device.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda needs a GPU that PyTorch can use, and there is none; leave it out")
    where = torch.device(device)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    small = device != "cuda"
    products = ceilings.matmul_rates(((256, 256, 256),) if small else SHAPES, where, dtype)
    peak = max(line["rate"] for line in products)
    copied = ceilings.copy_rate(COPIED >> (8 if small else 0), where)
    machine = ceilings.facts(where) | {"matmul": products, "peak": peak, "copy": copied}
    say(f"{machine['name']}, torch {machine['torch']}, fla {machine['fla']}: {command}")
    say(f"ceilings here: {peak / 1e12:,.1f} T {products[0]['dtype']} operations/s, memory {copied / 1e9:,.0f} GB/s")
    say(HEADING)
    results = []
    for config, context in cells:
        positions = config.model.positions
        found = pace(config, context, max(1, rows // positions), timed, where, config.compile and not small, peak)
        results.append({"backbone": config.model.backbone, "layout": config.model.layout, "context": context} | found)
        say(line(results[-1]))
    return machine, results


def line(row: dict[str, Any]) -> str:
    """Return one row for people; below it what was given up before."""
    head = f"{row['backbone']:23s} {row['layout']:10s}"
    given_up = "".join(f"\n    gave up {failure}" for failure in row["failures"])
    if "steps_per_second" not in row:
        return f"{head} nothing ran{given_up}"
    batch, memory = f"{row['sequences']} x {row['segment']:,}", row["peak_bytes"]
    return (
        f"{head} {row['parameters']:>11,} {row['context']:>8,} {batch:>12s} {row['steps_per_second']:>11,.0f} "
        f"{row['share_of_peak']:>8.1%} {row['operations_per_step'] / 1e6:>8.1f} "
        f"{(f'{memory / 2**30:.1f}' if memory else '-'):>6s} {'yes' if row['compiled'] else 'no'}{given_up}"
    )
