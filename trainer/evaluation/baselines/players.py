"""Who the agent is compared with: random, oracle, and tuned learners, on the same worlds, steps and seeds."""

from collections.abc import Iterable, Sequence

import numpy as np

from common.agents.agent import TabularAgent
from common.agents.behaviour import Behaviour
from common.agents.kinds import behaviour
from common.config import parse
from common.errors import UsageError
from common.seeding import Purpose, derive_seed
from trainer.evaluation.arena import Arena
from trainer.evaluation.baselines.learners import LearningPlayer, QUcb
from trainer.evaluation.baselines.planners import ConservativeQ, Planner, PosteriorSampling, UcbValueIteration
from trainer.evaluation.baselines.shown import Shown, random_steps
from trainer.evaluation.baselines.tuned import TUNED, Tuned
from trainer.evaluation.play import Progress, pieces, play_behaviour
from trainer.evaluation.policies import RandomPlayer
from trainer.evaluation.prepared import Prepared
from trainer.evaluation.record import Record
from trainer.evaluation.tally import Tally

KERNELS = ("q-epsilon-greedy", "q-count-bonus")
"""Q-learners that play whole worlds at kernel speed."""
SETTINGS: dict[str, type[Planner] | type[QUcb]] = {
    "q-ucb": QUcb,
    "ucb-value-iteration": UcbValueIteration,
    "posterior-sampling": PosteriorSampling,
    "conservative-q": ConservativeQ,
}
"""Learners that play step by step: slower, and so only played where they are asked for."""
LEARNERS = (*KERNELS, *SETTINGS)
BASELINES = ("random", "oracle", *KERNELS)
"""Who plays unless others are asked for."""
ALL = ("random", "oracle", *LEARNERS)
UNTUNED = "small"
"""The suite whose settings those have that are not tuned."""


class TabularPlayer:
    """A tabular behaviour in every context, which takes what it sees for the state.

    Args:
        behaviour: Who acts in each context, from nothing.
        arena: Where.
        symbols: Observation symbols there are; of observations of several symbols those met are numbered.
        steps: Environment steps it is meant to act for.
        seed: Of its draws.
    """

    def __init__(self, behaviour: Behaviour, arena: Arena, symbols: int, steps: int, seed: int = 0) -> None:
        several = arena.observation.ndim > 1
        room = 2 * steps + 1 if several else symbols
        self._known: list[dict[bytes, int]] | None = [{} for _ in arena.n_actions] if several else None
        self._agents = [
            TabularAgent(behaviour, room, int(n), seed=derive_seed(seed, Purpose.OTHER, (1 << 33) + c), length=steps)
            for c, n in enumerate(arena.n_actions)
        ]
        self._acted: tuple[np.ndarray, np.ndarray] | None = None

    def act(self, observation: np.ndarray) -> np.ndarray:
        """Return an action of each context."""
        seen = self._numbers(observation)
        actions = np.array([agent.act(s) for agent, s in zip(self._agents, seen.tolist(), strict=True)])
        self._acted = (seen, actions)
        return actions

    def observe(
        self, next_observation: np.ndarray, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray
    ) -> None:
        """Learn from the step."""
        assert self._acted is not None
        columns = (*self._acted, reward, self._numbers(next_observation), terminated, truncated)
        for agent, *step in zip(self._agents, *(column.tolist() for column in columns), strict=True):
            agent.observe(*step)

    def _numbers(self, observation: np.ndarray) -> np.ndarray:
        """Return observations as numbers, (C,)."""
        if self._known is None:
            return observation
        keys = [row.tobytes() for row in observation]
        return np.array([known.setdefault(key, len(known)) for known, key in zip(self._known, keys, strict=True)])


def named(names: Sequence[str]) -> tuple[str, ...]:
    """Return baselines by name; ``all`` stands for all of them.

    Raises:
        UsageError: There is no such baseline.
    """
    for name in names:
        if name not in (*ALL, "all"):
            raise UsageError(f"a baseline must be one of {', '.join(ALL)}, or all; got {name!r}")
    return ALL if "all" in names else tuple(dict.fromkeys(names))


def learner(name: str, settings: Tuned) -> Behaviour | Planner | QUcb:
    """Return a learner by name: a behaviour of ``common.agents.q_learning``, or the settings of one in ``SETTINGS``.

    Raises:
        UsageError: A setting is unknown or out of range.
    """
    assert name in LEARNERS
    return behaviour("q-learning", **settings) if name in KERNELS else parse(SETTINGS[name], settings, name)


def tuned(suite: str, name: str) -> Tuned:
    """Return the committed settings of a learner for a suite; those of ``UNTUNED`` where it has none."""
    return TUNED[tuned_on(suite, name)][name]


def tuned_on(suite: str, name: str) -> str:
    """Return the suite whose tuning worlds a learner's settings for a suite come from."""
    return suite if name in TUNED.get(suite, {}) else UNTUNED


def tally_baseline(name: str, on: Prepared, progress: Progress | None = None, shown: Shown | None = None) -> Tally:
    """Return what a baseline, by name, does in the worlds of a suite.

    Args:
        name: One of ``ALL``.
        on: The worlds.
        progress: Called with what is done.
        shown: What ``conservative-q`` learns from beforehand; as many random steps as are played unless given.
    """
    if name in LEARNERS:
        return tally_learner(learner(name, tuned(on.suite.name, name)), on, progress, shown)
    tally = Tally(on.references, on.steps, on.suite.has_success)
    arena = on.arena()
    player = RandomPlayer(arena, on.seed) if name == "random" else on.oracle(arena)
    return tally.add_all(pieces(player, arena, on.steps, progress))


def tally_learner(
    chosen: Behaviour | Planner | QUcb, on: Prepared, progress: Progress | None = None, shown: Shown | None = None
) -> Tally:
    """Return what a learner does in the worlds of a suite, seeing what an agent sees."""
    tally = Tally(on.references, on.steps, on.suite.has_success)
    if not isinstance(chosen, Behaviour):
        arena = on.arena()
        learning = LearningPlayer(chosen, arena, on.seed)
        if isinstance(chosen, ConservativeQ):
            (shown or random_steps(on, on.steps)).teach(learning)
        return tally.add_all(pieces(learning, arena, on.steps, progress))
    if on.tasks and all(task.world.emission is None for task in on.tasks):
        for w, record in enumerate(_one_by_one(chosen, on)):
            tally.add(record, at=w)
            if progress is not None:
                progress(w + 1, on.worlds)
        return tally
    arena = on.arena()
    player = TabularPlayer(chosen, arena, on.request.vocabulary, on.steps, on.seed)
    return tally.add_all(pieces(player, arena, on.steps, progress))


def _one_by_one(chosen: Behaviour, on: Prepared) -> Iterable[Record]:
    """Play world by world, at kernel speed: what a world shows is its state, and sees it as such."""
    for w, task in enumerate(on.tasks):
        yield play_behaviour(chosen, [task], on.steps, on.seed, first=w)
