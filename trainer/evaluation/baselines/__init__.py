"""Who the agent is compared with, on the same worlds, steps and seeds.

Reading order: ``players`` (who there is, how each plays), ``learners`` and ``planners`` and ``counts``
(those that play step by step), ``shown`` (demonstrations), ``tuned`` (committed settings), ``tune`` (where from).
"""

from trainer.evaluation.baselines.players import (
    ALL,
    BASELINES,
    LEARNERS,
    UNTUNED,
    TabularPlayer,
    learner,
    named,
    tally_baseline,
    tally_learner,
    tuned,
    tuned_on,
)

__all__ = [
    "ALL",
    "BASELINES",
    "LEARNERS",
    "UNTUNED",
    "TabularPlayer",
    "learner",
    "named",
    "tally_baseline",
    "tally_learner",
    "tuned",
    "tuned_on",
]
