"""Who the agent is compared with, on the same worlds, steps and seeds.

Reading order: ``players`` (who there is, how each plays), ``tuned`` (committed settings), ``tune`` (where from).
"""

from trainer.evaluation.baselines.players import BASELINES, LEARNERS, PolicyPlayer, learner, play_baseline, tuned

__all__ = ["BASELINES", "LEARNERS", "PolicyPlayer", "learner", "play_baseline", "tuned"]
