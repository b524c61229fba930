"""Choose the baselines' settings: a small grid on worlds that no evaluation uses; prints the table.

The score is that over all steps, mean over worlds: learning fast and learning well both count. A world's score is
clipped to [-1, 2] first: where random and oracle play earn nearly the same per step, one world could decide.
"""

import argparse
import itertools
import sys
from collections.abc import Sequence

import numpy as np

from common import cli
from common.dataset.schema import MAX_ACTIONS
from trainer.evaluation.baselines import LEARNERS, TABULAR, learner
from trainer.evaluation.baselines.players import tally_learner
from trainer.evaluation.baselines.tuned import Tuned
from trainer.evaluation.prepared import Request
from trainer.evaluation.score import per_step
from trainer.evaluation.suites import SUITES, TUNING, Suite, suite

GRIDS: dict[str, dict[str, tuple[float, ...]]] = {
    "q-epsilon-greedy": {
        "alpha": (0.05, 0.1, 0.2, 0.4, 0.7),
        "gamma": (0.9, 0.95, 0.99),
        "epsilon": (0.02, 0.05, 0.1, 0.2),
        "initial": (0.0, 0.1),
        "epsilon_decay": (0.0, 0.01),
    },
    "q-count-bonus": {
        "alpha": (0.05, 0.1, 0.2, 0.4, 0.7),
        "gamma": (0.9, 0.95, 0.99),
        "epsilon": (0.0, 0.05),
        "initial": (0.0, 0.05),
        "bonus": (0.02, 0.1, 0.3, 0.6, 1.0, 2.0, 5.0),
    },
    "q-ucb": {"alpha": (0.1, 0.2, 0.4, 0.7), "gamma": (0.9, 0.95, 0.99), "bonus": (0.002, 0.01, 0.05, 0.2)},
    "ucb-value-iteration": {
        "gamma": (0.9, 0.95, 0.99),
        "bonus": (0.01, 0.05, 0.1, 0.2),
        "every": (2, 16),
        "restart": (0.0, 1.0),
    },
    "posterior-sampling": {
        "gamma": (0.9, 0.95),
        "prior": (0.03, 0.1),
        "deviation": (0.1, 0.3),
        "hope": (0.0, 0.3),
        "every": (2, 8),
        "restart": (0.0, 1.0),
    },
    "conservative-q": {
        "gamma": (0.9, 0.95),
        "weight": (0.01, 0.05, 0.2),
        "epsilon": (0.0, 0.03),
        "restart": (0.0, 1.0),
    },
    "ppo": {
        "learning_rate": (1e-3, 3e-3, 1e-2),
        "gamma": (0.9, 0.99),
        "n_steps": (32, 128),
        "ent_coef": (0.0, 0.02),
    },
    "dqn": {
        "learning_rate": (1e-3, 3e-3),
        "gamma": (0.9, 0.99),
        "target_update_interval": (20, 100),
        "exploration_fraction": (0.2, 0.6),
    },
}
CLIP = (-1.0, 2.0)
VOCABULARY = 1 << 12
"""Tabular learners do not care how many symbols there are."""


def grid(name: str) -> list[Tuned]:
    """Return the settings to try for a learner."""
    axes = GRIDS[name]
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def tune(chosen: Suite, worlds: int, steps: int, names: Sequence[str] = TABULAR) -> dict[str, tuple[float, Tuned]]:
    """Return score and settings of the best of each learner's grid on a suite's tuning worlds."""
    wanted = Request(worlds=worlds, steps=steps, vocabulary=VOCABULARY, actions=MAX_ACTIONS, seed=1, first=TUNING)
    on = chosen.prepare(wanted)
    best: dict[str, tuple[float, Tuned]] = {}
    for name in names:
        for settings in grid(name):
            whole = per_step(tally_learner(learner(name, settings), on), [(0, steps)])[on.counted]
            score = float(np.clip(whole, *CLIP).mean())
            if name not in best or score > best[name][0]:
                best[name] = (score, settings)
    return best


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table to put into ``tuned.py``."""
    parser = cli.parser(
        "python -m trainer.evaluation.baselines.tune",
        "Choose the settings of the baselines on worlds that no evaluation uses.",
        ["python -m trainer.evaluation.baselines.tune --suite small --worlds 256 --steps 512"],
    )
    parser.add_argument("--suite", action="append", help=f"one of {', '.join(SUITES)}; all where absent")
    parser.add_argument("--learner", action="append", choices=LEARNERS, help="all but ppo and dqn where absent")
    parser.add_argument("--worlds", type=int, default=256, help="tuning worlds of each suite")
    parser.add_argument("--steps", type=int, default=512, help="environment steps in each world")

    def command(options: argparse.Namespace) -> None:
        for name in options.suite or SUITES:
            found = tune(suite(name), options.worlds, options.steps, options.learner or TABULAR)
            for learner_name, (score, settings) in found.items():
                print(f"{name} {learner_name}: {settings}  # {score:.3f}")
                sys.stdout.flush()

    return cli.run(command, parser.parse_args(arguments))


if __name__ == "__main__":
    raise SystemExit(main())
