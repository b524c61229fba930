"""Switch2: two copies of one agent must pass each other in a corridor only one fits through, each with its own context.

Both worlds' halves are one finite MDP of both positions and both actions, solved exactly; the two players see different
sides of it. Our own implementation of the task of ma-gym's Switch with two agents and the paper's rewards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from common.worlds import World
from common.worlds.batch import WorldBatch
from trainer.evaluation.arena import Outcome, write
from trainer.evaluation.prepared import Prepared, Request
from trainer.evaluation.record import Record
from trainer.evaluation.reference import solved
from trainer.evaluation.suites.suite import Suite, check_actions, check_tokens, label_seed
from trainer.evaluation.task import check_symbols

ROWS, COLUMNS = 3, 7
CELLS = [(r, c) for r in range(ROWS) for c in range(COLUMNS) if r == 1 or c in (0, 1, 5, 6)]
"""Two rooms of 3 x 2 and a corridor of 3 between them: 15 cells."""
MOVES = ((1, 0), (0, -1), (-1, 0), (0, 1), (0, 0))
"""Down, left, up, right, stay."""
STARTS, GOALS = ((0, 1), (0, 5)), ((0, 6), (0, 0))
CAP = 50
ARRIVED, NEARER, FARTHER, STILL = 1.0, 0.08, -0.12, -0.04
"""Rewards of one agent's move (paper, "Evaluation"); one that has arrived gets nothing more."""
SYMBOLS = COLUMNS * len(CELLS)
_INDEX = {cell: i for i, cell in enumerate(CELLS)}


@lru_cache(maxsize=1)
def joint_world() -> World:
    """Return both agents' task as one world: state 15 p0 + p1, action 5 a0 + a1; the first agent moves first."""
    n, a = len(CELLS), len(MOVES)
    goal = [_INDEX[cell] for cell in GOALS]
    distance = [_distances(cell) for cell in GOALS]
    transition, reward = np.zeros((n * n, a * a, n * n)), np.zeros((n * n, a * a, n * n))
    for state in range(n * n):
        for action in range(a * a):
            places, paid = [state // n, state % n], 0.0
            for who, chosen in enumerate((action // a, action % a)):
                if places[who] != goal[who]:
                    before = places[who]
                    places[who] = _moved(before, chosen, places[1 - who])
                    paid += _paid(places[who] == goal[who], distance[who][before] - distance[who][places[who]])
            following = places[0] * n + places[1]
            transition[state, action, following], reward[state, action, following] = 1.0, paid
    end = goal[0] * n + goal[1]
    transition[end], reward[end] = 0.0, 0.0
    start = np.array([_INDEX[STARTS[0]] * n + _INDEX[STARTS[1]]])
    return World.from_dense(transition, reward, np.zeros_like(reward), start, np.ones(1), np.array([end]), float(CAP))


def seen(state: np.ndarray) -> np.ndarray:
    """Return what both agents see in joint states (W,): 15 x the other's column + their own cell, (W, 2)."""
    n = len(CELLS)
    column = np.array([c for _, c in CELLS])
    first, second = state // n, state % n
    return np.stack([n * column[second] + first, n * column[first] + second], axis=1)


class SwitchArena:
    """P pairs: contexts 2 p and 2 p + 1 share world p and its reward, each with labels of its own.

    Args:
        world: ``joint_world``, its cap changed perhaps.
        symbol: (2 P, 105) what shows each of a context's observations.
        order: (2 P, 5) the move behind each of a context's actions.
        seeds: P seeds.
    """

    def __init__(self, world: World, symbol: np.ndarray, order: np.ndarray, seeds: Sequence[int]) -> None:
        self._batch = WorldBatch([world] * len(seeds), seeds)
        self._symbol, self._order, self._behind = symbol, order, np.argsort(order, axis=1)
        self._rows = np.arange(len(symbol))
        self._last: dict[str, np.ndarray] = {}

    @property
    def worlds(self) -> int:
        """Number of pairs P."""
        return len(self._batch.worlds)

    @property
    def n_actions(self) -> np.ndarray:
        """(2 P,) actions of each context."""
        return np.full(len(self._rows), len(MOVES))

    @property
    def observation(self) -> np.ndarray:
        """(2 P,) symbols."""
        return self._shown(self._batch.state)

    @property
    def state(self) -> np.ndarray:
        """(P,) joint states."""
        return self._batch.state

    def step(self, actions: np.ndarray) -> Outcome:
        """Take one action in every context."""
        before, moves = self._batch.state.copy(), self._order[self._rows, actions].reshape(-1, 2)
        joint = moves[:, 0] * len(MOVES) + moves[:, 1]
        _, reward, terminated, truncated = self._batch.step(joint)
        reached = self._batch.reached
        self._last = {
            "state": before,
            "action": joint,
            "next_state": reached,
            "reward": reward,
            "paid": reward,
            "terminated": terminated,
            "truncated": truncated,
            "success": terminated,
        }
        return Outcome(self._shown(reached), *(np.repeat(told, 2) for told in (reward, terminated, truncated)))

    def note(self, record: Record, t: int) -> None:
        """Write what the last step was to every world into column ``t``."""
        write(record, t, self._last)

    def spread(self, actions: np.ndarray) -> np.ndarray:
        """Return the contexts' actions that together are the joint ``actions``."""
        both = np.stack([actions // len(MOVES), actions % len(MOVES)], axis=1).reshape(-1)
        return self._behind[self._rows, both]

    def scene(self, reached: bool = False) -> np.ndarray:
        """Return the first pair's joint state, (1,), or the one its last step led to."""
        return (self._batch.reached if reached else self._batch.state)[:1].astype(np.float64)

    def _shown(self, state: np.ndarray) -> np.ndarray:
        return self._symbol[self._rows, seen(state).reshape(-1)]


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedSwitch(Prepared):
    """Pairs, each context with labels of its own."""

    world: World
    symbol: np.ndarray
    order: np.ndarray

    @property
    def contexts(self) -> int:
        """Two a pair."""
        return 2 * self.worlds

    def arena(self) -> SwitchArena:
        """Return the pairs, not begun."""
        return SwitchArena(self.world, self.symbol, self.order, self.seeds)


@dataclass(frozen=True, kw_only=True)
class SwitchSuite(Suite):
    """Pairs of contexts."""

    def prepare(self, request: Request) -> Prepared:
        """Relabel ``request.worlds`` pairs and solve their world.

        Raises:
            UsageError: The suite does not fit the agent's vocabularies.
        """
        check_tokens(self.name, 1, request.tokens)
        check_symbols(self.name, SYMBOLS, request.vocabulary)
        check_actions(self.name, len(MOVES), request.actions)
        contexts = range(2 * request.first, 2 * (request.first + request.worlds))
        random = [np.random.Generator(np.random.PCG64(label_seed(request.seed, c))) for c in contexts]
        world = joint_world()
        if request.protocol.episode_cap is not None:
            world = replace(world, max_steps=float(request.protocol.episode_cap))
        one = solved(self.name, world)
        return PreparedSwitch(
            suite=self,
            request=request,
            references=[replace(one, name=f"{self.name}-{p}") for p in range(request.worlds)],
            world=world,
            symbol=np.stack([r.permutation(request.vocabulary)[:SYMBOLS] for r in random]),
            order=np.stack([r.permutation(len(MOVES)) for r in random]),
        )


SWITCH = SwitchSuite(
    name="switch2",
    about="Switch2, two copies of the agent, each its own context; both are shown the sum of both rewards",
    paper="Switch2, two agents",
    has_success=True,
)


def _moved(cell: int, move: int, other: int) -> int:
    """Return the cell a move leads to: walls and the other agent are in the way."""
    row, column = CELLS[cell]
    target = _INDEX.get((row + MOVES[move][0], column + MOVES[move][1]), cell)
    return cell if target == other else target


def _paid(arrived: bool, nearer: int) -> float:
    if arrived:
        return ARRIVED
    return NEARER if nearer > 0 else FARTHER if nearer < 0 else STILL


def _distances(goal: tuple[int, int]) -> list[int]:
    """Return the fewest moves from each cell to ``goal``."""
    distance, waiting = {goal: 0}, [goal]
    for row, column in waiting:
        for down, right in MOVES:
            cell = (row + down, column + right)
            if cell in _INDEX and cell not in distance:
                distance[cell] = distance[row, column] + 1
                waiting.append(cell)
    return [distance[cell] for cell in CELLS]
