"""Who the agent is compared with: random, oracle, and two tuned Q-learners, on the same worlds, steps and seeds."""

from collections.abc import Callable, Sequence

import numpy as np

from common.agents.behaviour import Behaviour
from common.agents.kinds import behaviour
from common.seeding import Purpose, derive_seed
from trainer.evaluation.baselines.tuned import TUNED, Tuned
from trainer.evaluation.play import StateOf, play_batch, play_behaviour
from trainer.evaluation.record import Record
from trainer.evaluation.reference import Reference
from trainer.evaluation.task import Task

LEARNERS = ("q-epsilon-greedy", "q-count-bonus")
BASELINES = ("random", "oracle", *LEARNERS)


class PolicyPlayer:
    """Acts by a fixed policy that sees the state: random play, the oracle.

    Args:
        tasks: W worlds.
        policies: (n, a) probabilities of each one's actions.
        seed: Fixes its draws.
    """

    def __init__(self, tasks: Sequence[Task], policies: Sequence[np.ndarray], seed: int = 0) -> None:
        self._states = StateOf([task.world for task in tasks])
        most = [max(policy.shape[axis] for policy in policies) for axis in (0, 1)]
        self._cumulative = np.ones((len(policies), *most))
        for w, policy in enumerate(policies):
            self._cumulative[w, : policy.shape[0], : policy.shape[1] - 1] = np.cumsum(policy, axis=1)[:, :-1]
        self._random = np.random.Generator(np.random.PCG64(derive_seed(seed, Purpose.OTHER, 1 << 32)))

    def act(self, observation: np.ndarray) -> np.ndarray:
        """Return an action of each world."""
        rows = np.arange(len(observation))
        cumulative = self._cumulative[rows, self._states(observation)]
        return np.asarray((cumulative <= self._random.random((len(rows), 1))).sum(axis=1))

    def observe(
        self, next_observation: np.ndarray, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray
    ) -> None:
        """Learn nothing."""


def learner(name: str, settings: Tuned) -> Behaviour:
    """Return a baseline's behaviour: its settings are those of ``common.agents.q_learning``."""
    assert name in LEARNERS
    return behaviour("q-learning", **settings)


def tuned(suite: str, name: str) -> Tuned:
    """Return the committed settings of a learner for a suite."""
    return TUNED[suite][name]


def play_baseline(
    name: str,
    suite: str,
    tasks: Sequence[Task],
    references: Sequence[Reference],
    steps: int,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Record:
    """Return what a baseline, by name, does in the worlds of a suite."""
    if name in LEARNERS:
        return play_behaviour(learner(name, tuned(suite, name)), tasks, steps, seed)
    policies = [reference.oracle_policy for reference in references]
    if name == "random":
        policies = [np.full_like(policy, 1.0 / policy.shape[1]) for policy in policies]
    return play_batch(PolicyPlayer(tasks, policies, seed), tasks, steps, seed, progress)
