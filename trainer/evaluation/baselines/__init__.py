"""Who the agent is compared with, on the same worlds, steps and seeds.

Reading order: ``players`` (who there is, how each plays), ``learners`` (who plays step by step), ``deep`` (PPO and
DQN), ``shown`` (demonstrations), ``tuned`` (committed settings), ``tune`` (where from).
"""

from trainer.evaluation.baselines.deep import DEEP
from trainer.evaluation.baselines.players import (
    ALL,
    BASELINES,
    LEARNERS,
    TABULAR,
    UNTUNED,
    TabularPlayer,
    learner,
    named,
    settings_of,
    tally_baseline,
    tally_learner,
    tuned,
    tuned_on,
)

__all__ = [
    "ALL",
    "BASELINES",
    "DEEP",
    "LEARNERS",
    "TABULAR",
    "UNTUNED",
    "TabularPlayer",
    "learner",
    "named",
    "settings_of",
    "tally_baseline",
    "tally_learner",
    "tuned",
    "tuned_on",
]
