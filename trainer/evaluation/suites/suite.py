"""What a suite is, and the kind that most are: finite worlds drawn one by one, relabelled at random."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from common.errors import UsageError
from common.seeding import Purpose, derive_seed, stream_seed
from common.worlds import World
from trainer.evaluation.prepared import Prepared, PreparedTasks, Request
from trainer.evaluation.protocol import Protocol
from trainer.evaluation.reference import references
from trainer.evaluation.task import Task

LABELS = 101
"""Stream of a world's seed that relabels it."""
TUNING = 1 << 40
"""Worlds from this index on are for tuning baselines; evaluation takes those from 0 on."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A named set of worlds, as many as wanted."""

    name: str
    about: str
    paper: str | None = None
    """Its row in the paper's Table 1."""
    smallest_gap: float | None = None
    """Smallest per-step gap oracle - random that counts, in reward; None: a share of the world's reward range."""
    has_success: bool = False
    """Whether an episode can succeed."""

    def prepare(self, request: Request) -> Prepared:
        """Draw, relabel and solve its worlds.

        Raises:
            UsageError: The suite does not fit the agent's vocabularies.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class TaskSuite(Suite):
    """Finite worlds with known models."""

    draw: Callable[[int, int], Task]
    """(seed, index) in, the index-th task out, not yet relabelled."""
    same_world: bool = False
    """One world, relabelled differently each time."""

    def tasks(
        self, count: int, vocabulary: int, seed: int = 0, first: int = 0, protocol: Protocol | None = None
    ) -> list[Task]:
        """Return ``count`` tasks, each relabelled at random in the agent's vocabulary.

        Raises:
            UsageError: A world shows more symbols than the vocabulary has.
        """
        how = protocol or Protocol()
        one = _as_protocol(self.draw(seed, first), how) if self.same_world else None
        return [
            (one or _as_protocol(self.draw(seed, index), how)).relabelled(vocabulary, label_seed(seed, index))
            for index in range(first, first + count)
        ]

    def prepare(self, request: Request) -> Prepared:
        """Draw, relabel and solve its worlds.

        Raises:
            UsageError: The suite does not fit the agent's vocabularies.
        """
        probe = self.draw(request.seed, request.first).world
        check_tokens(self.name, probe.observation_tokens, request.tokens)
        tasks = self.tasks(request.worlds, request.vocabulary, request.seed, request.first, request.protocol)
        check_actions(self.name, max(task.world.n_actions for task in tasks), request.actions)
        return PreparedTasks(suite=self, request=request, references=references(tasks), members=tasks)


def label_seed(seed: int, index: int) -> int:
    """Return the seed that relabels a world."""
    return stream_seed(derive_seed(seed, Purpose.EVALUATE, index), LABELS)


def check_actions(name: str, most: int, actions: int) -> None:
    """Raise UsageError where a suite has more actions than the agent."""
    if most > actions:
        raise UsageError(
            f"suite {name!r} has worlds of {most} actions and the agent's vocabulary has {actions}; "
            "take another suite or an agent trained on more actions"
        )


def check_tokens(name: str, shown: int, read: int) -> None:
    """Raise UsageError where a suite's observations have another number of symbols than the agent reads."""
    if shown != read:
        raise UsageError(
            f"suite {name!r} shows observations of {shown} symbols and the agent reads {read}; "
            "take another suite or an agent trained on such observations"
        )


def _as_protocol(task: Task, how: Protocol) -> Task:
    """Return a task with the rewards and the cap that the protocol asks for."""
    if how.shaping == "none" and task.unshaped is not None:
        task = replace(task, world=task.unshaped, unshaped=None)
    if how.episode_cap is None:
        return task
    capped = None if task.unshaped is None else _capped(task.unshaped, how.episode_cap)
    return replace(task, world=_capped(task.world, how.episode_cap), unshaped=capped)


def _capped(world: World, cap: int) -> World:
    atoms = None if world.atoms is None else replace(world.atoms, max_steps=float(cap))
    return replace(world, max_steps=float(cap), atoms=atoms)
