"""Suites of classic control: Pendulum at three gravities, MountainCar, CartPole, from fixed and from random starts."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar

import numpy as np

from trainer.evaluation.arena import Arena
from trainer.evaluation.classic.arena import ClassicArena, Planner, Rules, measured
from trainer.evaluation.classic.dynamics import CartPole, Dynamics, MountainCar, Pendulum, Start
from trainer.evaluation.play import Player
from trainer.evaluation.prepared import Prepared, Request
from trainer.evaluation.reference import Reference
from trainer.evaluation.suites.suite import Suite, check_actions, check_tokens, label_seed
from trainer.evaluation.task import check_symbols

GRAVITIES = {"g1": 1.0, "g5": 5.0, "g9.8": 9.8}


def plain(paid: np.ndarray) -> np.ndarray:
    """Return the rewards that count."""
    return paid


def pendulum_shown(paid: np.ndarray) -> np.ndarray:
    """Return the paper's shaped rewards: max(r / 30 + .1, -.1)."""
    return np.maximum(paid / 30.0 + 0.1, -0.1)


def never(terminated: np.ndarray, truncated: np.ndarray) -> np.ndarray:
    """Return that no episode succeeds."""
    return np.zeros(len(terminated), dtype=np.bool_)


def arrives(terminated: np.ndarray, truncated: np.ndarray) -> np.ndarray:
    """Return where an episode ended before its time."""
    return terminated


def lasts(terminated: np.ndarray, truncated: np.ndarray) -> np.ndarray:
    """Return where an episode lasted to its end."""
    return truncated


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedControl(Prepared):
    """Worlds of the same dynamics, each with labels of its own."""

    by_world: ClassVar[tuple[str, ...]] = ("references", "symbol", "order")
    rules: Rules
    symbol: np.ndarray
    order: np.ndarray

    @property
    def shaping(self) -> str | None:
        """What is shown in place of the rewards that count; None where they are the same."""
        return None if self.rules.shown is plain else "shown rewards are shaped, scores are not"

    def arena(self) -> ClassicArena:
        """Return the worlds, not begun."""
        return ClassicArena(self.rules, self.symbol, self.order, self.seeds)

    def oracle(self, arena: Arena) -> Player:
        """Return near-optimal play."""
        assert isinstance(arena, ClassicArena)
        return Planner(arena)


@dataclass(frozen=True, kw_only=True)
class ControlSuite(Suite):
    """One set of dynamics, relabelled anew for every context; what worlds show are bins."""

    dynamics: Dynamics
    start: Start
    shown: Callable[[np.ndarray], np.ndarray] = plain
    succeeds: Callable[[np.ndarray, np.ndarray], np.ndarray] = never

    def prepare(self, request: Request) -> Prepared:
        """Relabel its worlds and measure its references.

        Raises:
            UsageError: The suite does not fit the agent's vocabularies.
        """
        check_tokens(self.name, 1, request.tokens)
        check_symbols(self.name, self.dynamics.symbols, request.vocabulary)
        check_actions(self.name, self.dynamics.n_actions, request.actions)
        labels = [label_seed(request.seed, w) for w in range(request.first, request.first + request.worlds)]
        random = [np.random.Generator(np.random.PCG64(seed)) for seed in labels]
        one = self._reference(request.protocol.episode_cap)
        return PreparedControl(
            suite=self,
            request=request,
            references=[replace(one, name=f"{self.name}-{w}") for w in range(request.worlds)],
            rules=self.rules(request.protocol.episode_cap, request.protocol.shaping == "paper"),
            symbol=np.stack([r.permutation(request.vocabulary)[: self.dynamics.symbols] for r in random]),
            order=np.stack([r.permutation(self.dynamics.n_actions) for r in random]),
        )

    def rules(self, cap: int | None = None, shaped: bool = True) -> Rules:
        """Return what its worlds share."""
        return Rules(
            dynamics=self.dynamics,
            limit=cap or self.dynamics.limit,
            start=self.dynamics.fixed_start() if self.start == "fixed" else None,
            shown=self.shown if shaped else plain,
            succeeds=self.succeeds,
        )

    def _reference(self, cap: int | None) -> Reference:
        return _measured(self, cap)


@lru_cache(maxsize=16)
def _measured(suite: ControlSuite, cap: int | None) -> Reference:
    return measured(suite.name, suite.rules(cap), seed=0)


def _pendulum(name: str, gravity: float, start: Start, paper: str | None) -> ControlSuite:
    told = "the paper's one start" if start == "fixed" else "random starts"
    return ControlSuite(
        name=name,
        about=f"Pendulum-v1, gravity {gravity:g}, 12 x 5 bins, 5 torques, {told}",
        paper=paper,
        dynamics=Pendulum(gravity=gravity),
        start=start,
        shown=pendulum_shown,
    )


CONTROL: tuple[Suite, ...] = (
    *(_pendulum(f"pendulum-{key}", g, "fixed", f"Pendulum g={g:g}") for key, g in GRAVITIES.items()),
    *(_pendulum(f"pendulum-{key}-random", g, "random", None) for key, g in GRAVITIES.items()),
    ControlSuite(
        name="mountaincar",
        about="MountainCar-v0, 12 x 5 bins, the paper's one start",
        dynamics=MountainCar(),
        start="fixed",
        succeeds=arrives,
        has_success=True,
    ),
    ControlSuite(
        name="mountaincar-random",
        about="MountainCar-v0, 12 x 5 bins, random starts",
        dynamics=MountainCar(),
        start="random",
        succeeds=arrives,
        has_success=True,
    ),
    ControlSuite(
        name="cartpole",
        about="CartPole-v1, 3 x 3 x 4 x 3 bins, random starts",
        dynamics=CartPole(),
        start="random",
        succeeds=lasts,
        has_success=True,
    ),
)
