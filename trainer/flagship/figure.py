"""A flagship run's share in, a picture out: how it learned, and how it learns in context.

python -m trainer.flagship.figure runs/flagship/share --out flagship.png
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import cli
from common.errors import DataError, UsageError
from common.plots import COLOURS, figure, save
from trainer.flagship.tables import SET


def draw(share: Path, out: Path) -> None:
    """Draw the policy loss of every stage by steps trained on, and each stage's last one by position in the context.

    Raises:
        UsageError: There are no metrics in ``share``.
        DataError: They are damaged.
    """
    paths = sorted(share.glob("*-metrics.jsonl"))
    if not paths:
        raise UsageError(
            f"{share} holds no metrics (*-metrics.jsonl); give the share of a flagship run that has trained"
        )
    drawn, (learning, context) = figure(2)
    begun = 0.0
    for path, colour in zip(paths, COLOURS, strict=False):
        name = path.name.removesuffix("-metrics.jsonl")
        train, validation = lines_of(path)
        if not validation:
            continue
        steps = {line["step"]: begun + line["environment_steps"] / 1e6 for line in train}
        known = [(steps[line["step"]], line["loss_policy"]) for line in validation if line["step"] in steps]
        learning.plot(*zip(*known, strict=True), color=colour, marker="o", markersize=3, label=name)
        begun = max(steps.values())
        bins = [one for one in validation[-1]["by_position"] if one["to"] > 1]
        middle = [0.5 * (one["from"] + one["to"]) for one in bins]
        context.plot(middle, [one["loss_policy"] for one in bins], color=colour, marker="o", markersize=3, label=name)
    learning.set(title="Unseen worlds, no oracle acting", xlabel="million steps trained on", ylabel="policy loss, nats")
    context.set(title="The same, by position in the context", xlabel="row", ylabel="policy loss, nats", xscale="log")
    for axes in (learning, context):
        axes.legend()
    save(drawn, out)


def lines_of(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a stage's lines of training and of validation without oracles.

    Raises:
        DataError: The file is damaged.
    """
    try:
        lines = [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]
    except ValueError as error:
        raise DataError(f"{path} is damaged: {error}; copy it again") from error
    return [line for line in lines if line["kind"] == "train"], [line for line in lines if line.get("set") == SET]


def _command(arguments: argparse.Namespace) -> int:
    if arguments.out.suffix != ".png":
        raise UsageError(f"--out is a file ending in .png, got {arguments.out}")
    draw(arguments.share, arguments.out)
    print(f"wrote {arguments.out}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = cli.parser(
        "python -m trainer.flagship.figure",
        "Draw how a flagship run learned.",
        ["python -m trainer.flagship.figure runs/flagship/share --out flagship.png"],
    )
    parser.add_argument("share", type=Path, help="a run's share folder")
    parser.add_argument("--out", type=Path, required=True, help="the picture to write, ending in .png")
    return cli.run(_command, parser.parse_args(arguments))


if __name__ == "__main__":
    raise SystemExit(main())
