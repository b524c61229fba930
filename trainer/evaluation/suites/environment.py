"""Any Gymnasium environment as a suite: ``--env ID``.

One that shows its transition table becomes a world of ours, with exact references and our kernels' speed. Any other is
stepped as it is, one instance a world; random play is measured, and the oracle's return is what its registration calls
solved, or what is given, or the best that a long-trained Q-learner reaches.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import gymnasium
import numpy as np

from common.agents.agent import TabularAgent
from common.agents.kinds import behaviour
from common.seeding import Purpose, derive_seed
from trainer.evaluation.arena import Arena, Outcome, write
from trainer.evaluation.binning import discrete
from trainer.evaluation.play import Player
from trainer.evaluation.prepared import Prepared, Request
from trainer.evaluation.record import Record
from trainer.evaluation.reference import Reference
from trainer.evaluation.suites.suite import Suite, TaskSuite, check_actions, check_tokens, label_seed
from trainer.evaluation.suites.tables import has_table, world_of_table
from trainer.evaluation.task import Task, check_symbols

CAP = 200
"""Steps after which an episode is cut where the environment has no cap of its own."""
EPISODES = 200
"""Episodes that measure random play."""
LEARNING_STEPS = 100_000
"""Steps a Q-learner has to show what can be reached."""
LAST = 50
"""Its last episodes are its result."""
Q_SETTINGS: dict[str, Any] = {"alpha": 0.1, "gamma": 0.99, "epsilon": 1.0, "epsilon_decay": 0.01, "initial": 0.0}


class GymArena:
    """W instances of an environment, one context each, each with labels of its own.

    Args:
        environments: W instances of Discrete spaces.
        cap: Steps after which an episode is truncated.
        symbol: (W, n) what shows each observation.
        order: (W, a) the environment's action behind each of the player's.
        seeds: W seeds.
    """

    def __init__(
        self,
        environments: Sequence[gymnasium.Env[Any, Any]],
        cap: int,
        symbol: np.ndarray,
        order: np.ndarray,
        seeds: Sequence[int],
    ) -> None:
        self._environments, self._cap, self._symbol, self._order = environments, cap, symbol, order
        self._behind, self._rows = np.argsort(order, axis=1), np.arange(len(symbol))
        started = [
            int(environment.reset(seed=seed % (1 << 31))[0])
            for environment, seed in zip(environments, seeds, strict=True)
        ]
        self._state = np.array(started)
        self._taken = np.zeros(len(symbol), dtype=np.int64)
        self._last: dict[str, np.ndarray] = {}

    @property
    def worlds(self) -> int:
        """Number of worlds W."""
        return len(self._rows)

    @property
    def n_actions(self) -> np.ndarray:
        """(W,) actions of each world."""
        return np.full(self.worlds, self._order.shape[1])

    @property
    def observation(self) -> np.ndarray:
        """(W,) symbols."""
        return self._symbol[self._rows, self._state]

    @property
    def state(self) -> np.ndarray:
        """(W,) what the environments show."""
        return self._state

    def step(self, actions: np.ndarray) -> Outcome:
        """Take one action in every world."""
        before, action = self._state.copy(), self._order[self._rows, actions]
        told = [environment.step(int(a)) for environment, a in zip(self._environments, action, strict=True)]
        reached = np.array([int(step[0]) for step in told])
        paid = np.array([float(step[1]) for step in told])
        terminated = np.array([bool(step[2]) for step in told])
        self._taken += 1
        truncated = ~terminated & (np.array([bool(step[3]) for step in told]) | (self._taken >= self._cap))
        self._state = reached.copy()
        for w in np.flatnonzero(terminated | truncated).tolist():
            self._state[w], self._taken[w] = int(self._environments[w].reset()[0]), 0
        self._last = {
            "state": before,
            "action": action,
            "next_state": reached,
            "reward": paid,
            "paid": paid,
            "terminated": terminated,
            "truncated": truncated,
            "success": np.zeros(self.worlds, dtype=np.bool_),
        }
        return Outcome(self._symbol[self._rows, reached], paid.astype(np.float32), terminated, truncated)

    def note(self, record: Record, t: int) -> None:
        """Write what the last step was to every world into column ``t``."""
        write(record, t, self._last)

    def spread(self, actions: np.ndarray) -> np.ndarray:
        """Return the players' actions that are the environments' ``actions``."""
        return self._behind[self._rows, actions]

    def scene(self, reached: bool = False) -> np.ndarray:
        """Return what the first environment shows, (1,), or what its last step led to."""
        return (self._last["next_state"] if reached else self._state)[:1].astype(np.float64)


class Learned:
    """What stands for an oracle: the greedy policy of the Q-learner that showed what can be reached."""

    def __init__(self, arena: Arena, q: np.ndarray) -> None:
        self._arena, self._best = arena, q.argmax(axis=1)

    def act(self, observation: np.ndarray) -> np.ndarray:
        """Return an action of each context."""
        return self._arena.spread(self._best[self._arena.state])

    def observe(
        self, next_observation: np.ndarray, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray
    ) -> None:
        """Learn nothing."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedEnvironment(Prepared):
    """Instances of one environment."""

    by_world: ClassVar[tuple[str, ...]] = ("references", "symbol", "order")
    symbol: np.ndarray
    order: np.ndarray
    cap: int
    q: np.ndarray

    def arena(self) -> GymArena:
        """Return the worlds, not begun."""
        made = [self.suite.make() for _ in range(self.worlds)]
        return GymArena(made, self.cap, self.symbol, self.order, self.seeds)

    def oracle(self, arena: Arena) -> Player:
        """Return the Q-learner's greedy policy."""
        return Learned(arena, self.q)


@dataclass(frozen=True, kw_only=True)
class EnvironmentSuite(Suite):
    """An environment by id."""

    bins: tuple[int, ...] | None = None
    levels: int | None = None
    oracle_return: float | None = None

    def make(self) -> gymnasium.Env[Any, Any]:
        """Make an instance."""
        return discrete(self.name, self.bins, self.levels)

    def prepare(self, request: Request) -> Prepared:
        """Make it ready: as a world where it shows its table, else measured.

        Raises:
            UsageError: It does not fit the agent's vocabularies.
        """
        environment = self.make()
        cap = request.protocol.episode_cap or getattr(environment.spec, "max_episode_steps", None) or CAP
        if has_table(environment) and self.oracle_return is None:
            task = Task(name=self.name, world=world_of_table(environment, float(cap)))
            known = TaskSuite(name=self.name, about=self.about, draw=lambda *_: task, same_world=True)
            return known.prepare(request)
        n, a = int(environment.observation_space.n), int(environment.action_space.n)  # type: ignore[attr-defined]
        check_tokens(self.name, 1, request.tokens)
        check_symbols(self.name, n, request.vocabulary)
        check_actions(self.name, a, request.actions)
        random = [
            np.random.Generator(np.random.PCG64(label_seed(request.seed, w)))
            for w in range(request.first, request.first + request.worlds)
        ]
        one, q = measured(self, environment, int(cap))
        return PreparedEnvironment(
            suite=self,
            request=request,
            references=[replace(one, name=f"{self.name}-{w}") for w in range(request.worlds)],
            symbol=np.stack([r.permutation(request.vocabulary)[:n] for r in random]),
            order=np.stack([r.permutation(a) for r in random]),
            cap=int(cap),
            q=q,
        )


def environment_suite(
    name: str, bins: tuple[int, ...] | None = None, levels: int | None = None, oracle_return: float | None = None
) -> Suite:
    """Return a suite of a Gymnasium environment.

    Raises:
        UsageError: It cannot be made, or not be made discrete.
    """
    chosen = EnvironmentSuite(
        name=name, about=f"Gymnasium's {name}", bins=bins, levels=levels, oracle_return=oracle_return
    )
    chosen.make().close()
    return chosen


def measured(suite: EnvironmentSuite, environment: gymnasium.Env[Any, Any], cap: int) -> tuple[Reference, np.ndarray]:
    """Return the measured reference of an environment, and Q of a learner that shows what can be reached."""
    n, a = int(environment.observation_space.n), int(environment.action_space.n)  # type: ignore[attr-defined]
    random = TabularAgent(behaviour("random"), n, a, seed=derive_seed(0, Purpose.OTHER, 1 << 35))
    aimless = _episodes(environment, random, cap, episodes=EPISODES)
    learner = TabularAgent(behaviour("q-learning", **Q_SETTINGS), n, a, seed=derive_seed(0, Purpose.OTHER, 1 << 36))
    learned = _episodes(environment, learner, cap, steps=LEARNING_STEPS)[-LAST:]
    mean, error = learned.mean(axis=0), learned.std(axis=0, ddof=1) / np.sqrt(len(learned))
    solved = getattr(environment.spec, "reward_threshold", None)
    top, how = float(mean[0]), f"the last {LAST} episodes of Q-learning over {LEARNING_STEPS} steps"
    if suite.oracle_return is not None:
        top, error, how = suite.oracle_return, error * 0.0, "given"
    elif solved is not None:
        top, error, how = float(solved), error * 0.0, "what its registration calls solved"
    length, paid = float(mean[1]), learned[:, 2:]
    if (paid == paid[0, 0]).all() and paid[0, 0] != 0.0:  # every step pays the same: a return tells the length
        length = top / float(paid[0, 0])
    lowest, met = aimless.mean(axis=0), np.concatenate([aimless, learned])
    return Reference(
        name=suite.name,
        oracle_return=top,
        oracle_length=length,
        random_return=float(lowest[0]),
        random_length=float(lowest[1]),
        reward_range=float(met[:, 3].max() - met[:, 2].min()),
        oracle_error=float(error[0]),
        random_error=float(aimless[:, 0].std(ddof=1) / np.sqrt(len(aimless))),
        how=f"measured over {EPISODES} episodes; oracle: {how}",
    ), learner.memory[: n * a].reshape(n, a)


def _episodes(
    environment: gymnasium.Env[Any, Any], player: TabularAgent, cap: int, episodes: int = 1 << 30, steps: int = 1 << 30
) -> np.ndarray:
    """Return (return, length, smallest and largest reward) of each episode, (E, 4), until there is enough of them."""
    told: list[tuple[float, int, float, float]] = []
    seen, taken = int(environment.reset(seed=0)[0]), 0
    paid: list[float] = []
    while len(told) < episodes and (taken < steps or len(told) < LAST):
        action = player.act(seen)
        following, reward, terminated, truncated, _ = environment.step(action)
        paid.append(float(reward))
        taken += 1
        cut = bool(truncated) or len(paid) >= cap
        player.observe(seen, action, float(reward), int(following), bool(terminated), cut and not terminated)
        seen = int(following)
        if terminated or cut:
            told.append((sum(paid), len(paid), min(paid), max(paid)))
            seen, paid = int(environment.reset()[0]), []
    return np.array(told)
