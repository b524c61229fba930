"""A behaviour as an object: `reset`, `act`, `observe`, over the same kernels that write the data."""
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from common.agents import kinds
from common.agents.behaviour import PARAMETERS, Behaviour
from common.dataset.schema import DISCOUNTS, Tag
from common.draw import draw_reals
from common.errors import UsageError
from common.kernels import kernel
from common.random import generator
from common.worlds.solve import oracle_masks
from common.worlds.world import World


class TabularAgent:
    """One behaviour acting step by step in any environment with discrete states and actions.

    It learns from every step it observes, whoever acted. About 2 us a step; ``common.synthesis.generate.play`` takes
    whole sequences at kernel speed.
    """

    def __init__(
        self,
        behaviour: Behaviour,
        n_states: int,
        n_actions: int,
        *,
        seed: int = 0,
        length: int = 10_000,
        optimal: np.ndarray | None = None,
        symbol: np.ndarray | None = None,
    ) -> None:
        """Begin as ``reset`` does.

        Args:
            behaviour: Which, with its settings; those that are drawn are drawn at ``reset``.
            n_states: States are 0..n_states-1.
            n_actions: Actions are 0..n_actions-1.
            seed: Of everything it draws, in [0, 2**64).
            length: Rows it is meant to act for; some schedules depend on it.
            optimal: (D, n_states) uint64 from ``oracle_masks``: the optimal actions by discount, for oracles.
            symbol: (n_states,) uint16: what shows each state, the order in which the model-based learner goes through
                them; the states themselves unless given.

        Raises:
            UsageError: The behaviour is an oracle and ``optimal`` is missing, or a size or shape is wrong.
        """
        if n_states < 1 or n_actions < 1 or length < 1:
            raise UsageError(f"n_states, n_actions and length must be >= 1, got {n_states}, {n_actions} and {length}")
        if behaviour.needs_optimal and optimal is None:
            raise UsageError("an oracle needs the world's optimal actions; make it with TabularAgent.of_world")
        if optimal is None:
            optimal = np.zeros((len(DISCOUNTS), n_states), dtype=np.uint64)
        if optimal.shape != (len(DISCOUNTS), n_states) or optimal.dtype != np.uint64:
            raise UsageError(
                f"optimal must be uint64 of shape {(len(DISCOUNTS), n_states)}, got {optimal.dtype} {optimal.shape}"
            )
        self.behaviour, self.n_states, self.n_actions, self.length = behaviour, n_states, n_actions, length
        self.tag = int(Tag.RANDOM)
        """Tag of the last action."""
        self._optimal, self._seed, self._table = optimal, seed, behaviour.table()
        self._parameters = np.empty(PARAMETERS)
        self._memory = np.empty(max(1, behaviour.memory_size(n_states, n_actions)))
        self._symbol = np.arange(n_states, dtype=np.uint16) if symbol is None else symbol
        self.reset()

    @classmethod
    def of_world(cls, world: World, behaviour: Behaviour, *, seed: int = 0, length: int = 10_000) -> "TabularAgent":
        """Return an agent for one world; its states are the world's ranks, not its symbols."""
        optimal = oracle_masks(world, DISCOUNTS) if behaviour.needs_optimal else None
        return cls(
            behaviour, world.n_states, world.n_actions, seed=seed, length=length, optimal=optimal, symbol=world.symbol
        )

    def reset(self, seed: int | None = None) -> None:
        """Forget everything and draw the settings anew; with ``seed``, as if made with it, else as at the last time."""
        self._seed = self._seed if seed is None else seed
        self._rng = generator(self._seed)
        self._step = 0
        _begin(
            self.behaviour.code,
            self._rng,
            self._table,
            self._parameters,
            self._memory,
            self._symbol,
            self.n_actions,
            self.length,
        )

    def act(self, state: int) -> int:
        """Return an action for a state; ``tag`` then says which kind of policy chose it.

        Raises:
            ValueError: The state is out of range.
        """
        if not 0 <= state < self.n_states:
            raise ValueError(f"a state lies in 0..{self.n_states - 1}, got {state}")
        action, self.tag = _choose(
            self.behaviour.code,
            self._rng,
            self._parameters,
            self._memory,
            self._optimal,
            int(state),
            self._step,
            self.n_actions,
        )
        return int(action)

    def observe(
        self, state: int, action: int, reward: float, next_state: int, terminated: bool, truncated: bool = False
    ) -> None:
        """Take in one step of whoever acts. Rewards are read as float32, as the data stores them.

        Raises:
            ValueError: A state or the action is out of range.
        """
        if not (0 <= state < self.n_states and 0 <= next_state < self.n_states and 0 <= action < self.n_actions):
            raise ValueError(
                f"states lie in 0..{self.n_states - 1} and actions in 0..{self.n_actions - 1}, "
                f"got state {state}, action {action}, next state {next_state}"
            )
        end = int(Tag.TERMINATED) if terminated else int(Tag.TRUNCATED) if truncated else 0
        _learn(
            self.behaviour.code,
            self._parameters,
            self._memory,
            (int(state), int(next_state)),
            int(action),
            float(reward),
            end,
            self.n_actions,
        )
        self._step += 1

    @property
    def q(self) -> np.ndarray:
        """The action values it has learned, (n_states, n_actions) float64, a copy.

        Those by which it acts: a model-based learner's are of the last episode's end.

        Raises:
            UsageError: Its kind learns no action values.
        """
        learned = self.behaviour.learned(self._parameters, self._memory, self.n_states, self.n_actions)
        if learned is None:
            kind = getattr(self.behaviour, "kind", "behaviour")
            raise UsageError(f"a {kind} learns no action values; those that do are q-learning and model-based")
        return learned

    @property
    def memory(self) -> np.ndarray:
        """What it has learned, a copy of the kernels' flat state array; Q (n, a) comes first for Q-learning."""
        return self._memory.copy()


@kernel
def _begin(kind, rng, table, parameters, memory, symbol, n_actions, length):
    draw_reals(rng, table, parameters)
    memory[0] = 0.0
    kinds.start(kind, rng, parameters, memory, symbol, n_actions, length)


@kernel
def _choose(kind, rng, parameters, memory, optimal, state, step, n_actions):
    return kinds.choose(kind, rng, parameters, memory, optimal, state, step, n_actions)


@kernel
def _learn(kind, parameters, memory, states, action, reward, end, n_actions):
    state, taken, paid = np.empty(2, np.int64), np.empty(1, np.int64), np.empty(1, np.float32)
    state[0], state[1], taken[0], paid[0] = states[0], states[1], action, reward
    kinds.learn(kind, parameters, memory, state, taken, paid, 0, 1, end, n_actions)
