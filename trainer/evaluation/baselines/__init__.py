"""Who the agent is compared with, on the same worlds, steps and seeds.

Reading order: ``players`` (who there is, how each plays), ``tuned`` (committed settings), ``tune`` (where from).
"""

from trainer.evaluation.baselines.players import (
    BASELINES,
    LEARNERS,
    UNTUNED,
    TabularPlayer,
    learner,
    tally_baseline,
    tally_learner,
    tuned,
    tuned_on,
)

__all__ = [
    "BASELINES",
    "LEARNERS",
    "UNTUNED",
    "TabularPlayer",
    "learner",
    "tally_baseline",
    "tally_learner",
    "tuned",
    "tuned_on",
]
