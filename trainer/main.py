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

from common import cli
from common.errors import UsageError

EXAMPLES = (
    "torchrun --nproc-per-node 2 trainer/main.py --recipe tiny --data data/tiny --run runs/tiny",
    "torchrun --nproc-per-node 2 trainer/main.py --recipe tiny --data data/tiny --run runs/tiny    # again: resumes",
    "python trainer/main.py --recipe tiny --data recipe:tiny --run runs/try --set steps=100 --set batch=8",
)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command's arguments."""
    parser = cli.parser("trainer/main.py", "Train an in-context learner on a dataset.", EXAMPLES)
    parser.add_argument("--recipe", required=True, help="a shipped training recipe's name, or a TOML file's path")
    parser.add_argument("--data", required=True, help="URL of a dataset, or recipe:NAME to generate while training")
    parser.add_argument("--data-set", action="append", default=[], metavar="A.B=C", help="change the data recipe")
    parser.add_argument("--run", required=True, type=Path, help="the run's directory; one that exists is resumed")
    parser.add_argument("--init", help="a run or an exported file whose weights to begin with")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=C", help="change the training recipe")
    return parser.parse_args(arguments)


def train(arguments: argparse.Namespace) -> int:
    """Check everything, then join the other ranks and train; 0 also where it was told to stop and saved.

    Raises:
        UsageError: The request cannot be carried out as asked; nothing was touched.
        DataError: Data or checkpoints are missing or damaged.
    """
    from trainer import config as configs
    from trainer import rundir
    from trainer.checkpoint import load_model
    from trainer.model import Model, ModelConfig
    from trainer.parallel import process_group
    from trainer.source import open_source
    from trainer.trainer import Trainer

    config = configs.load(arguments.recipe, arguments.set)
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    if config.batch < ranks:
        raise UsageError(f"every rank needs a sequence: batch is {config.batch}, ranks are {ranks}; raise batch")
    stream = config.stream
    source = open_source(arguments.data, arguments.data_set, stream.cache_megabytes << 20, stream.window_shards)
    size = ModelConfig(
        vocabulary=source.vocabulary,
        actions=source.actions,
        observation_tokens=source.observation_tokens,
        **config.model.model_dump(),
    )
    initial = load_model(arguments.init) if arguments.init else None
    if initial is not None and initial.config != size:
        raise UsageError(f"--init {arguments.init} is another model: {initial.config!r}, wanted {size!r}")
    description = rundir.describe(config, size, source, arguments.data, arguments.init)
    known = rundir.check(arguments.run, description)
    with process_group(config.threads) as everyone:
        if everyone.first and not known:
            rundir.create(arguments.run, description)
        everyone.barrier()
        model = initial or Model(size, seed=config.seed)
        Trainer(config, model, source, arguments.run, everyone).fit()
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return cli.run(train, parse(arguments))


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # gloo's threads abort the process now and then where the interpreter takes it down in its own order
    os._exit(code)
