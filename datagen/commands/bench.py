"""``python -m datagen bench``."""

import argparse

from common import cli
from common.errors import UsageError
from datagen.commands import options as shared

WHAT = "measure the generator on this machine, one thread"
EXAMPLES = (
    "python -m datagen bench --states 16,128 --actions 5 --json",
    "python -m datagen bench --states 16 --xenoverse ~/xenoverse/bin/python",
    "python -m datagen bench --reading d-small",
    "python -m datagen bench --storage d-small",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--states", type=shared.counts, default=[16, 32, 64, 128, 256, 512], help="numbers of states, with commas"
    )
    parser.add_argument("--actions", type=shared.count, default=5, help="number of actions")
    parser.add_argument(
        "--xenoverse", metavar="PYTHON", help="measure xenoverse beside it, in this Python (default: where installed)"
    )
    parser.add_argument(
        "--reading",
        metavar="RECIPE",
        help="measure instead how fast this recipe's sequences are read from Zarr, and generated on the fly",
    )
    parser.add_argument(
        "--storage",
        metavar="RECIPE",
        help="measure instead what a shard of this recipe takes to store: bytes a step, rates of writing and checking",
    )
    shared.add_overrides(parser)
    shared.add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Measure, and print the table."""
    if options.reading:
        from datagen import bench_reading

        measured = bench_reading.bench_reading(options.reading, options.overrides)
        if options.json:
            cli.print_json(measured)
        else:
            print(bench_reading.table(measured))
        return
    if options.storage:
        from datagen import bench_storage

        measured = bench_storage.bench_storage(options.storage, options.overrides)
        if options.json:
            cli.print_json(measured)
        else:
            print(bench_storage.table(measured))
        return
    if options.overrides:
        raise UsageError(f"--set changes a recipe and needs --reading or --storage, got --set {options.overrides[0]}")
    from datagen.bench import LENGTH, bench, check, table
    from datagen.comparison import compare, find

    check(options.states, options.actions)
    where = find(options.xenoverse)
    results = bench(options.states, options.actions)
    if where:
        results["xenoverse"] = compare(where, results, LENGTH)
    if options.json:
        cli.print_json(results)
    else:
        print(table(results))
