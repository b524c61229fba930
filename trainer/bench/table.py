"""What a benchmark prints for people."""

from typing import Any

from trainer.config import TrainConfig
from trainer.model import Model, ModelConfig
from trainer.model.size import reasons


def heading(machine: dict[str, Any], command: str) -> str:
    """Return machine, command and the columns' names."""
    columns = ("backbone", "layout", "parameters", "context", "steps/s", "per CPU s", "ratio", "of peak", "MFLOP")
    return "\n".join(
        (
            f"{machine['cores']} cores, torch {machine['torch']}, {machine['threads']} threads: {command}",
            "MFLOP: millions of operations a trained step, by formula; of peak: of this machine's matrix products; "
            "ratio: to the first row",
            _join(*columns, "MiB", "ratio"),
        )
    )


def line(row: dict[str, Any], first: dict[str, Any]) -> str:
    """Return one row; ratios are to the first."""
    return _join(
        row["backbone"],
        row["layout"],
        f"{row['parameters']:,}",
        f"{row['context']:,}",
        f"{row['steps_per_second']:,.0f}",
        f"{row['steps_per_cpu_second']:,.0f}",
        f"{row['steps_per_cpu_second'] / first['steps_per_cpu_second']:.2f}",
        f"{row['share_of_peak']:.0%}",
        f"{row['operations_per_step'] / 1e6:.2f}",
        f"{row['peak_bytes'] / 2**20:,.0f}",
        f"{row['peak_bytes'] / first['peak_bytes']:.2f}",
    )


def sizes(config: TrainConfig) -> list[str]:
    """Return a recipe's sizes, each with its reason, and the number of parameters."""
    model = config.model
    whole = Model(ModelConfig(vocabulary=128, actions=5, **model.model_dump()), device="meta")
    blocks = sum(parameter.numel() for parameter in whole.blocks.parameters())
    counted = f"{'parameters':12s} {whole.parameter_count():,} at 128 symbols and 5 actions, {blocks:,} in the blocks"
    return [*reasons(model.layers, model.width, model.heads, model.head_size, model.inner), counted]


def _join(backbone: str, layout: str, *values: str) -> str:
    widths = (11, 9, 9, 10, 6, 8, 7, 7, 6)
    return f"{backbone:23s} {layout:10s} " + " ".join(f"{value:>{w}s}" for value, w in zip(values, widths, strict=True))
