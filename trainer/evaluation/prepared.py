"""A suite made ready for one agent: its worlds drawn, relabelled and solved; everyone plays on the same."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from common.errors import UsageError
from trainer.evaluation.arena import Arena, WorldArena, world_seeds
from trainer.evaluation.play import Player
from trainer.evaluation.policies import PolicyPlayer
from trainer.evaluation.protocol import Protocol as How
from trainer.evaluation.reference import SMALLEST_GAP, Reference, counted_worlds
from trainer.evaluation.task import Task


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of a suite."""

    worlds: int
    """How many worlds are played at once."""
    steps: int
    """Environment steps in each; an episode's break row is none."""
    vocabulary: int
    """The agent's observation symbols."""
    actions: int
    """The agent's action ids."""
    tokens: int = 1
    """Symbols of an observation, as the agent reads them."""
    seed: int = 0
    """Of worlds, labels and transitions; the agent's own draws have a seed of their own."""
    first: int = 0
    """Number of the first world: those from ``suites.TUNING`` on are for tuning baselines."""
    protocol: How = field(default_factory=How)


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """Base of all prepared suites.

    ``arena`` makes the worlds anew, with the same transitions for everyone who does the same.
    """

    by_world: ClassVar[tuple[str, ...]] = ("references",)
    """Fields that have an entry for each world."""
    suite: Any
    request: Request
    references: Sequence[Reference]
    """One of each world, W."""
    place: int = 0
    """Number of the first world, where these are some of more."""

    @property
    def steps(self) -> int:
        """Environment steps in each world."""
        return self.request.steps

    @property
    def seed(self) -> int:
        """Of worlds, labels and transitions."""
        return self.request.seed

    @property
    def worlds(self) -> int:
        """Number of worlds W."""
        return len(self.references)

    @property
    def contexts(self) -> int:
        """Number of contexts C: one a world, or two where two agents share it."""
        return self.worlds

    @property
    def tasks(self) -> list[Task]:
        """The worlds, where they are finite, known and each played by one context; else none."""
        return []

    @property
    def counted(self) -> np.ndarray:
        """(W,) bool: worlds whose score by step counts."""
        return counted_worlds(self.references, self.suite.smallest_gap)

    @property
    def shaping(self) -> str | None:
        """What is shown in place of the rewards that count; None where they are the same."""
        return None

    @property
    def seeds(self) -> list[int]:
        """What moves each world, W."""
        return world_seeds(self.worlds, self.seed, self.place)

    def arena(self) -> Arena:
        """Return the worlds, not begun."""
        raise NotImplementedError

    def alone(self, w: int) -> "Prepared":
        """Return one of the worlds by itself: it moves as it does among the others.

        Raises:
            UsageError: Several contexts share it.
        """
        if self.contexts > self.worlds:
            raise UsageError(f"a world of suite {self.suite.name!r} is played by several agents at once, not by one")
        own: dict[str, Any] = {name: getattr(self, name)[w : w + 1] for name in self.by_world}
        return replace(self, place=self.place + w, **own)

    def oracle(self, arena: Arena) -> Player:
        """Return a player that knows the worlds."""
        policies = [reference.oracle_policy for reference in self.references]
        known = [policy for policy in policies if policy is not None]
        assert len(known) == len(policies)
        return PolicyPlayer(arena, known, self.seed)

    def left_out(self) -> dict[str, Any]:
        """Return which worlds have no score by step (or by episode), and by which rule."""
        smallest = self.suite.smallest_gap
        limit = f"{SMALLEST_GAP} of the world's reward range" if smallest is None else f"{smallest}"
        counted = self.counted
        return {
            "rule": f"oracle - random per step is under {limit}",
            "count": int((~counted).sum()),
            "worlds": [r.name for r, counts in zip(self.references, counted, strict=True) if not counts],
            "by_episode": [r.name for r in self.references if r.gap <= 1e-9],
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedTasks(Prepared):
    """Finite worlds with known models, one context each."""

    members: list[Task]
    by_world: ClassVar[tuple[str, ...]] = ("references", "members")

    @property
    def tasks(self) -> list[Task]:
        """The worlds."""
        return self.members

    @property
    def shaping(self) -> str | None:
        """What is shown in place of the rewards that count; None where they are the same."""
        return None if self.members[0].unshaped is None else "shown rewards are shaped, scores are not"

    def arena(self) -> Arena:
        """Return the worlds, not begun."""
        return WorldArena(self.members, self.seeds)
