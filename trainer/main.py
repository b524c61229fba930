"""The trainer's command: ``torchrun --nproc-per-node N trainer/main.py ...``, or plain ``python`` for one rank."""

import os
import sys
from pathlib import Path

if __name__ == "__main__" and not __package__:
    # started by path: this folder on the import path would shadow the standard library and hide the packages beside it
    _here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != _here]
    sys.path.insert(0, str(_here.parent))

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from common import cli
from common.errors import UsageError

if TYPE_CHECKING:
    from trainer.config import TrainConfig

EXAMPLES = (
    "torchrun --nproc-per-node 2 trainer/main.py --recipe tiny --data data/tiny --run runs/tiny",
    "torchrun --nproc-per-node 2 trainer/main.py --recipe tiny --data data/tiny --run runs/tiny    # again: resumes",
    "python trainer/main.py --recipe tiny --data recipe:tiny --run runs/try --set steps=100 --set batch=8",
    "torchrun trainer/main.py --recipe tiny --data data/a --data data/b --set 'data.weights=[3,1]' --run runs/mixed",
    "python trainer/main.py --recipe tiny --data data/tiny --run runs/tiny --set data.follow=true   # while it is made",
    "python trainer/main.py --recipe paper --data recipe:d-large --plan 8    # sizes and memory of each of 8 ranks",
)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command's arguments."""
    parser = cli.parser("trainer/main.py", "Train an in-context learner on a dataset.", EXAMPLES)
    parser.add_argument("--recipe", required=True, help="a shipped training recipe's name, or a TOML file's path")
    parser.add_argument(
        "--data",
        required=True,
        action="append",
        help="URL of a dataset, or recipe:NAME to generate while training; again for each one to mix (data.weights)",
    )
    parser.add_argument("--data-set", action="append", default=[], metavar="A.B=C", help="change the data recipe")
    parser.add_argument("--run", type=Path, help="the run's directory; one that exists is resumed")
    parser.add_argument("--init", help="a run or an exported file whose weights to begin with")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=C", help="change the training recipe")
    parser.add_argument(
        "--plan",
        nargs="?",
        type=int,
        const=0,
        metavar="RANKS",
        help="touch nothing: print what would be trained and the memory each of so many ranks needs",
    )
    parser.add_argument("--json", action="store_true", help="print the plan as JSON")
    return parser.parse_args(arguments)


def train(arguments: argparse.Namespace) -> int:
    """Check everything, then join the other ranks and train; 0 also where it was told to stop and saved.

    Raises:
        UsageError: The request cannot be carried out as asked; nothing was touched.
        DataError: Data or checkpoints are missing or damaged.
    """
    from trainer import config as configs
    from trainer import rundir
    from trainer.checkpoints import load_model
    from trainer.data.mixture import open_mixture
    from trainer.parallel import check_ranks, process_group
    from trainer.plan import announce, model_config, print_plan
    from trainer.setup import begin_with, build, check_settings
    from trainer.trainer import Trainer

    config = configs.load(arguments.recipe, arguments.set)
    first = int(os.environ.get("RANK", "0")) == 0
    say = _speak if first else _keep_silent
    mixture = open_mixture(arguments.data, arguments.data_set, config.data, say)
    size = model_config(config, mixture)
    if arguments.plan is not None:
        return print_plan(config, size, mixture, arguments.plan or _ranks(), arguments.json)
    if arguments.run is None:
        raise UsageError("--run DIR says where the run lies; only --plan does without")
    check_ranks(_ranks(), config.batch, config.parallel.shard_over)
    check_settings(config, mixture)
    notes = mixture.check()
    initial, differing = begin_with(load_model(arguments.init), size, arguments.init) if arguments.init else (None, [])
    writes = first and not (arguments.run / rundir.DESCRIPTION).exists()
    description = rundir.describe(config, size, mixture, arguments.init, digests=writes)
    known = rundir.check(arguments.run, description)
    for note in (*announce(config, size), *differing, *notes) if known is None else notes:
        say(note)
    with process_group(config.threads, _patience(config), config.parallel.shard_over) as everyone:
        if everyone.first and known is None:
            rundir.create(arguments.run, description)
        everyone.barrier()
        objective = build(config, size, initial, everyone)
        eras = [(0, rundir.shards_of(known or description))]
        Trainer(config, objective, mixture, arguments.run, everyone, eras).fit()
    return 0


def _ranks() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def _patience(config: "TrainConfig") -> float:
    """Return how long ranks wait for one another: where data are followed, for as long as for the data and more."""
    return config.parallel.timeout + (config.data.patience if config.data.follow else 0.0)


def _speak(line: str) -> None:
    print(line, flush=True)


def _keep_silent(line: str) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return cli.run(train, parse(arguments))


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # gloo's threads abort the process now and then where the interpreter takes it down in its own order
    os._exit(code)
