"""Who the agent is compared with: random, oracle, and tuned learners, on the same worlds, steps and seeds."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from common.agents.agent import TabularAgent
from common.agents.behaviour import Behaviour
from common.agents.kinds import behaviour
from common.agents.planners import ConservativeQ, Learner, PosteriorSampling, UcbQ, UcbValueIteration
from common.config import parse
from common.errors import UsageError
from common.seeding import Purpose, derive_seed
from trainer.evaluation.arena import Arena
from trainer.evaluation.baselines.deep import DEEP, Deep, check_installed, play_alone
from trainer.evaluation.baselines.learners import LearningPlayer, Names
from trainer.evaluation.baselines.shown import Shown, random_steps
from trainer.evaluation.baselines.tuned import TUNED, Tuned
from trainer.evaluation.play import Progress, pieces, play_behaviour
from trainer.evaluation.policies import RandomPlayer
from trainer.evaluation.prepared import Prepared
from trainer.evaluation.record import Record
from trainer.evaluation.tally import Tally

KERNELS = ("q-epsilon-greedy", "q-count-bonus")
"""Q-learners that play whole worlds at kernel speed."""
SETTINGS: dict[str, type[Learner]] = {
    "q-ucb": UcbQ,
    "ucb-value-iteration": UcbValueIteration,
    "posterior-sampling": PosteriorSampling,
    "conservative-q": ConservativeQ,
}
"""Learners that play step by step: slower, and so only played where they are asked for."""
TABULAR = (*KERNELS, *SETTINGS)
LEARNERS = (*TABULAR, *DEEP)
BASELINES = ("random", "oracle", *KERNELS)
"""Who plays unless others are asked for."""
ALL = ("random", "oracle", *TABULAR)
"""What ``all`` stands for: all but those of an extra, which are a thousand times slower."""
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
        self._names = Names(arena)
        room = symbols if self._names.plain else 2 * steps + 1
        self._agents = [
            TabularAgent(behaviour, room, int(n), seed=derive_seed(seed, Purpose.OTHER, (1 << 33) + c), length=steps)
            for c, n in enumerate(arena.n_actions)
        ]
        self._acted: tuple[np.ndarray, np.ndarray] | None = None

    def act(self, observation: np.ndarray) -> np.ndarray:
        """Return an action of each context."""
        seen = self._names.of(observation)
        actions = np.array([agent.act(s) for agent, s in zip(self._agents, seen.tolist(), strict=True)])
        self._acted = (seen, actions)
        return actions

    def observe(
        self, next_observation: np.ndarray, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray
    ) -> None:
        """Learn from the step."""
        assert self._acted is not None
        columns = (*self._acted, reward, self._names.of(next_observation), terminated, truncated)
        for agent, *step in zip(self._agents, *(column.tolist() for column in columns), strict=True):
            agent.observe(*step)


def named(names: Sequence[str]) -> tuple[str, ...]:
    """Return baselines by name; ``all`` stands for all of them.

    Raises:
        UsageError: There is no such baseline, or it needs an extra that is not installed.
    """
    for name in names:
        if name not in (*ALL, *DEEP, "all"):
            raise UsageError(f"a baseline must be one of {', '.join((*ALL, *DEEP))}, or all; got {name!r}")
    chosen = tuple(dict.fromkeys(each for name in names for each in (ALL if name == "all" else (name,))))
    if any(name in DEEP for name in chosen):
        check_installed()
    return chosen


def learner(name: str, settings: Tuned) -> Behaviour | Learner | Deep:
    """Return a learner by name: a behaviour of ``common.agents.q_learning``, or the settings of another one.

    Raises:
        UsageError: A setting is unknown or out of range.
    """
    assert name in LEARNERS
    if name in KERNELS:
        return behaviour("q-learning", **settings)
    return parse(SETTINGS[name], settings, name) if name in SETTINGS else parse(DEEP[name], settings, name)


def tuned(suite: str, name: str) -> Tuned:
    """Return the committed settings of a learner for a suite: its own, else those of ``UNTUNED``, else defaults."""
    place = tuned_on(suite, name)
    return {} if place is None else TUNED[place][name]


def tuned_on(suite: str, name: str) -> str | None:
    """Return the suite whose tuning worlds a learner's settings for a suite come from; None: they are defaults."""
    return next((place for place in (suite, UNTUNED) if name in TUNED.get(place, {})), None)


def settings_of(suite: str, name: str) -> dict[str, Any]:
    """Return all settings that a learner plays a suite with, defaults among them where it has some."""
    chosen = learner(name, tuned(suite, name))
    return tuned(suite, name) if isinstance(chosen, Behaviour) else chosen.model_dump()


def tally_baseline(name: str, on: Prepared, progress: Progress | None = None, shown: Shown | None = None) -> Tally:
    """Return what a baseline, by name, does in the worlds of a suite.

    Args:
        name: One of ``ALL`` or ``DEEP``.
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
    chosen: Behaviour | Learner | Deep, on: Prepared, progress: Progress | None = None, shown: Shown | None = None
) -> Tally:
    """Return what a learner does in the worlds of a suite, seeing what an agent sees."""
    tally = Tally(on.references, on.steps, on.suite.has_success)
    if isinstance(chosen, Deep):
        for w in range(on.worlds):
            tally.add(play_alone(chosen, on.alone(w)), at=w)
            if progress is not None:
                progress(w + 1, on.worlds)
        return tally
    if not isinstance(chosen, Behaviour):
        arena = on.arena()
        taught = (shown or random_steps(on, on.steps)) if isinstance(chosen, ConservativeQ) else None
        steps = on.steps + (taught.longest if taught else 0)
        learning = LearningPlayer(chosen, arena, on.request.vocabulary, steps, on.seed)
        if taught:
            taught.teach(learning)
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
