"""The command line: ``python -m datagen COMMAND``; each command loads what it needs, so help is quick."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from common import cli

_RUN = (
    "python -m datagen run --recipe tiny --out data/tiny",
    "python -m datagen run --recipe tiny --out data/tiny --executor inline",
    "python -m datagen run --recipe tiny --out /mnt/data/more --set sequences=100000 --set seed=1 --actors 8",
    "ray job submit --working-dir . -- python -m datagen run --recipe tiny --out /mnt/data/tiny",
)
_COMMANDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "run": ("make a dataset, or what is missing of it", _RUN),
    "plan": ("print what a recipe would make, touching nothing", ("python -m datagen plan --recipe tiny --json",)),
    "status": ("say how a dataset stands and who is at work", ("python -m datagen status data/tiny --watch",)),
    "verify": ("check a dataset, and print the one digest of its data", ("python -m datagen verify data/tiny --json",)),
    "bench": (
        "measure the generator on this machine, one thread",
        (
            "python -m datagen bench --states 16,128 --actions 5 --json",
            "python -m datagen bench --states 16 --xenoverse ~/xenoverse/bin/python",
        ),
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code: 0 done, 1 failed, 2 refused, 130 interrupted."""
    options = _parser().parse_args(arguments)
    return cli.run(options.function, options)


def _parser() -> argparse.ArgumentParser:
    top = cli.parser("python -m datagen", "Random worlds in, a dataset out.", _RUN[:1] + _COMMANDS["verify"][1])
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    parsers = {}
    for name, (what, examples) in _COMMANDS.items():
        like = cli.parser(f"python -m datagen {name}", what, examples)
        parsers[name] = commands.add_parser(
            name, help=what, description=what, epilog=like.epilog, formatter_class=like.formatter_class
        )
        parsers[name].set_defaults(function=globals()[f"_{name}"])
    for name in ("run", "plan"):
        parsers[name].add_argument("--recipe", required=True, help="a shipped recipe's name, or a TOML file")
        parsers[name].add_argument(
            "--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="override a setting"
        )
    parsers["run"].add_argument(
        "--out", required=True, metavar="URL", help="the dataset: a new folder, or one to go on with"
    )
    parsers["run"].add_argument(
        "--executor", choices=("ray", "inline"), default="ray", help="ray (default), or this process"
    )
    parsers["run"].add_argument(
        "--actors", type=_count, help="Ray actors, one core each (default: every core there is)"
    )
    parsers["run"].add_argument("--address", help="a Ray cluster (default: RAY_ADDRESS, or one started here)")
    for name in ("status", "verify"):
        parsers[name].add_argument("url", metavar="URL", help="the dataset")
    parsers["status"].add_argument("--watch", action="store_true", help="again every two seconds until it is complete")
    parsers["verify"].add_argument("--quick", action="store_true", help="compare stored bytes only, decode nothing")
    parsers["bench"].add_argument(
        "--states", type=_counts, default=[16, 32, 64, 128, 256, 512], help="numbers of states, with commas"
    )
    parsers["bench"].add_argument("--actions", type=_count, default=5, help="number of actions")
    parsers["bench"].add_argument(
        "--xenoverse", metavar="PYTHON", help="measure xenoverse beside it, in this Python (default: where installed)"
    )
    for name in ("plan", "status", "verify", "bench"):
        parsers[name].add_argument("--json", action="store_true", help="print the facts as JSON")
    return top


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"takes a whole number from 1, got {text}")
    return value


def _counts(text: str) -> list[int]:
    return [_count(part) for part in text.split(",")]


def _run(options: argparse.Namespace) -> None:
    from common.synthesis.recipe import load
    from datagen import interrupt
    from datagen.run import run

    interrupt.listen()
    recipe = load(options.recipe, options.overrides)
    run(recipe, options.out, executor=options.executor, actors=options.actors, address=options.address)


def _plan(options: argparse.Namespace) -> None:
    from common.synthesis.recipe import load
    from datagen.plan import make_plan

    plan = make_plan(load(options.recipe, options.overrides))
    facts = {
        "recipe": plan.recipe.name,
        "identity": plan.header.identity,
        "shards": plan.shards,
        "sequences": plan.header.sequences,
        "steps": plan.steps,
        "files": plan.files,
        "raw_bytes": plan.shards * plan.header.raw_bytes(),
        "stored_bytes_at_most_about": plan.shards * plan.shard_bytes(),
    }
    _print(facts, options.json)


def _status(options: argparse.Namespace) -> None:
    from common.dataset.reader import open_dataset
    from datagen.report import show, standing

    if options.json:
        cli.print_json(standing(open_dataset(options.url)).model_dump(mode="json"))
    else:
        show(options.url, options.watch)


def _verify(options: argparse.Namespace) -> int:
    from datagen.verify import verify

    report = verify(options.url, quick=options.quick)
    _print(report.model_dump(mode="json"), options.json)
    return 0 if report.ok else 1


def _bench(options: argparse.Namespace) -> None:
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


def _print(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        cli.print_json(facts)
        return
    for name, value in facts.items():
        for item in value if isinstance(value, list) and value else [value]:
            text = f"{item:,}" if isinstance(item, int) and not isinstance(item, bool) else str(item)
            print(f"{name.replace('_', ' ')}: {text}")


if __name__ == "__main__":
    sys.exit(main())
