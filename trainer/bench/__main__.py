"""How fast this machine trains a model: ``python -m trainer.bench``; made-up data, one process a cell.

A step is a step of the world (a row of one sequence), forward, backward and optimiser step included. Rates are given by
the clock and by CPU time: the second is what a machine does that others use as well, and what ratios are taken of.
"""

import argparse
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, get_args

import torch

from common import cli
from common.errors import UsageError
from trainer import config as configs
from trainer.bench import table
from trainer.bench.cells import measured
from trainer.bench.equal import equal_inner, parameters_of
from trainer.data.rate import loader_rate
from trainer.model.config import Backbone, Layout

EXAMPLES = (
    "python -m trainer.bench --json",
    "python -m trainer.bench --backbones all --contexts 512,4096",
    "python -m trainer.bench --layouts all",
    "python -m trainer.bench --contexts 8192,32768,131072,524288 --segment 2048 --seconds 1",
    "python -m trainer.bench --backbones all --equal",
    "python -m trainer.bench --set compile=true",
    "python -m trainer.bench --recipe small --sizes",
    "python -m trainer.bench --data data/tiny",
    "python -m trainer.bench --device cuda --recipe small --backbones all --contexts 1024,8192,65536",
)


def bench(arguments: argparse.Namespace) -> int:
    """Measure and print.

    Raises:
        UsageError: A setting is unknown or no positive number.
        DataError: A cell did not end.
    """
    base = configs.load(arguments.recipe, arguments.set)
    if arguments.device != "cpu":
        return on_device(arguments, base)
    if arguments.sizes:
        print("\n".join(table.sizes(base)))
        return 0
    contexts = [_positive(part, "--contexts") for part in arguments.contexts.split(",")]
    backbones = _names(arguments.backbones or base.model.backbone, get_args(Backbone), "--backbones")
    layouts = _names(arguments.layouts or base.model.layout, get_args(Layout), "--layouts")
    kinds = [_settings(arguments, base, *kind) for kind in product(backbones, layouts)]
    cells = [(settings, context) for settings in kinds for context in contexts]
    machine = {
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "threads": arguments.threads,
    }
    command = " ".join(["python -m trainer.bench", *arguments.typed])
    if not arguments.json:
        print(table.heading(machine, command), flush=True)
    results = []
    for row in _measured(cells, arguments):
        results.append(row)
        if not arguments.json:
            print(table.line(row, results[0]), flush=True)
    loader = _loader(arguments, base, results) if arguments.data else {}
    if arguments.json:
        cli.print_json({"machine": machine, "command": command, "results": results, **loader})
    return 0


def on_device(arguments: argparse.Namespace, base: configs.TrainConfig) -> int:
    """Measure on a GPU, in this process; print beside the ceilings of the same card.

    Raises:
        UsageError: There is no such device, or a setting is unknown.
    """
    from trainer.bench import gpu

    contexts = [_positive(part, "--contexts") for part in arguments.contexts.split(",")]
    backbones = _names(arguments.backbones or base.model.backbone, get_args(Backbone), "--backbones")
    layouts = _names(arguments.layouts or base.model.layout, get_args(Layout), "--layouts")
    kinds = [_settings(arguments, base, *kind) for kind in product(backbones, layouts)]
    cut = [f"segment={arguments.segment}"] if arguments.segment else []
    cells = [(configs.load(arguments.recipe, [*settings, *cut]), at) for settings in kinds for at in contexts]
    said = print if not arguments.json else lambda line: None
    command = " ".join(["python -m trainer.bench", *arguments.typed])
    machine, results = gpu.measure(cells, arguments.device, arguments.rows, arguments.seconds, command, said)
    if arguments.json:
        cli.print_json({"machine": machine, "command": command, "results": results})
    return 0


def _loader(arguments: argparse.Namespace, config: configs.TrainConfig, results: Sequence[Any]) -> dict[str, Any]:
    """Return how fast one thread makes batches, and how many times what the first cell's model eats."""
    torch.set_num_threads(arguments.threads)
    made = loader_rate(arguments.data, config, arguments.seconds)
    made["times_the_model"] = made["steps_per_cpu_second"] / results[0]["steps_per_cpu_second"]
    if not arguments.json:
        print(
            f"loader alone, {made['data']}: {made['steps_per_cpu_second']:,.0f} steps per CPU second, "
            f"{made['times_the_model']:,.0f} times what the model of the first line eats"
        )
    return {"loader": made}


def _settings(arguments: argparse.Namespace, base: configs.TrainConfig, backbone: str, layout: str) -> list[str]:
    """Return the ``--set`` values of one kind of model, at the recipe's number of parameters where that is asked."""
    settings = [*arguments.set, f"model.backbone={backbone}", f"model.layout={layout}"]
    if arguments.equal:
        config = configs.load(arguments.recipe, settings)
        settings.append(f"model.inner={equal_inner(config, parameters_of(base))}")
    return settings


def _measured(cells: Sequence[tuple[list[str], int]], arguments: argparse.Namespace) -> Iterator[Any]:
    """Yield what each cell measured."""
    for settings, context in cells:
        config = configs.load(arguments.recipe, settings)
        segment = arguments.segment or config.segment or context
        yield measured(config, context, segment, arguments.seconds, arguments.threads)


def _positive(text: str, option: str) -> int:
    if not (text.isdigit() and int(text)):
        raise UsageError(f"{option} takes positive numbers separated by commas, got {text!r}")
    return int(text)


def _names(asked: str, known: tuple[str, ...], option: str) -> list[str]:
    names = list(known) if asked == "all" else asked.split(",")
    for name in names:
        if name not in known:
            raise UsageError(f"{option} takes {', '.join(known)} or all, got {name!r}")
    return names


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = cli.parser("python -m trainer.bench", "Measure training speed on this machine.", EXAMPLES)
    parser.add_argument("--recipe", default="tiny", help="training recipe whose model is measured")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=C", help="change the recipe")
    parser.add_argument("--contexts", default="512", help="steps of a sequence, several separated by commas")
    parser.add_argument("--segment", type=int, help="steps passed at once (the recipe's; else the whole context)")
    parser.add_argument("--backbones", help="of the blocks, several separated by commas, or all (the recipe's)")
    parser.add_argument("--layouts", help="of a step, several separated by commas, or all (the recipe's)")
    parser.add_argument("--equal", action="store_true", help="at the recipe's parameters, by the feed-forward part")
    parser.add_argument("--data", help="dataset's URL or recipe:NAME: how fast the loader alone feeds it, too")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="cuda: on a GPU (cpu)")
    parser.add_argument("--rows", type=int, default=131_072, help="on a GPU: steps passed at once in all")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--seconds", type=float, default=3.0, help="at least so long for each cell")
    parser.add_argument("--sizes", action="store_true", help="print the recipe's sizes with their reasons, and stop")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parsed = parser.parse_args(arguments)
    parsed.typed = list(sys.argv[1:] if arguments is None else arguments)
    return cli.run(bench, parsed)


if __name__ == "__main__":
    raise SystemExit(main())
