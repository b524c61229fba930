"""``python -m datagen export``."""

import argparse

from datagen.commands import options as shared

WHAT = "write a dataset for other software"
EXAMPLES = (
    "python -m datagen export data/tiny --to npy --out data/tiny-records --count 1000",
    "python -m datagen export recipe:tiny --set length=256 --to npy --out records --count 10",
    "python -m datagen export data/tiny --to minari --id tiny-v0 --out data/minari --count 100",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    shared.add_url(parser, "a dataset, or recipe:NAME")
    shared.add_overrides(parser)
    parser.add_argument(
        "--to", choices=("npy", "minari"), required=True, help="the original's record folders, or a Minari dataset"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="a new folder")
    parser.add_argument("--first", type=int, default=0, metavar="I", help="number of the first sequence (default: 0)")
    parser.add_argument("--count", type=shared.count, metavar="N", help="how many sequences (default: all from there)")
    parser.add_argument("--skip-holes", action="store_true", help="leave out shards that were set aside")
    parser.add_argument(
        "--last",
        choices=("regenerate", "drop"),
        default="regenerate",
        help="npy: make the observation after the last row again from the recipe, or leave out the last row",
    )
    parser.add_argument("--id", metavar="NAME", help="minari: the dataset's name there, such as tiny-v0")
    shared.add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Export."""
    from common.dataset import open_dataset
    from common.errors import UsageError

    if options.first < 0:
        raise UsageError(f"--first takes a sequence's number, from 0, got {options.first}")
    dataset = open_dataset(options.url, options.overrides)
    chosen = {"first": options.first, "count": options.count, "skip_holes": options.skip_holes}
    if options.to == "npy":
        from datagen.export_npy import export_npy

        records = export_npy(dataset, options.out, last=options.last, **chosen)
        shared.print_facts({"out": options.out, "records": records}, options.json)
        return
    if not options.id:
        raise UsageError("--to minari needs a name: give --id, for example --id tiny-v0")
    from datagen.export_minari import export_minari, load_path

    episodes = export_minari(dataset, options.out, options.id, **chosen)
    facts = {"id": options.id, "episodes": episodes, "MINARI_DATASETS_PATH": load_path(options.out)}
    shared.print_facts(facts, options.json)
