"""Demonstrations: whole episodes of somebody else's in the very worlds that are played in, as rows of a dataset.

They are played in the same worlds with the same labels, by other draws than those that evaluation plays with. Who
demonstrates is who writes the data: ``common.agents``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from common.agents.agent import TabularAgent
from common.agents.kinds import behaviour
from common.dataset.schema import Tag
from common.errors import UsageError
from common.seeding import Purpose, derive_seed
from trainer.evaluation.arena import Arena, Outcome
from trainer.evaluation.baselines.learners import LearningPlayer, Names
from trainer.evaluation.baselines.tuned import TUNED
from trainer.evaluation.play import Player
from trainer.evaluation.policies import RandomPlayer
from trainer.evaluation.prepared import Prepared

KINDS = ("random", "noisy-oracle", "q-learning", "oracle")
"""Who can demonstrate: three that are imperfect, and an expert."""
EXPERT = "oracle"
NOISY_STEPS = 500
"""Steps over which a noisy oracle's noise falls to nothing."""
MOST_STEPS = 1_000_000
"""Steps of a context's demonstrations, at most."""
_DRAWS = 1 << 36
_ENDS = (int(Tag.TERMINATED), int(Tag.TRUNCATED))


@dataclass(frozen=True)
class Shown:
    """What is shown to C contexts."""

    rows: list[dict[str, np.ndarray]]
    """Of each context: observation (T,) or (T, tokens), action, reward, tag (T,), by whole episodes."""
    kind: str
    episodes: int | None
    """Of each context; None: a number of steps was asked for."""

    @property
    def name(self) -> str:
        """What results call it."""
        return f"{self.episodes} episodes of {self.kind}" if self.episodes else f"steps of {self.kind}"

    def returns(self) -> np.ndarray:
        """Return the mean return per episode in each context, (C,), in rewards shown."""
        ends = [np.isin(rows["tag"], _ENDS).sum() for rows in self.rows]
        return np.array([rows["reward"].sum() / max(n, 1) for rows, n in zip(self.rows, ends, strict=True)])

    @property
    def longest(self) -> int:
        """Rows of the longest."""
        return max(len(rows["tag"]) for rows in self.rows)

    def teach(self, player: LearningPlayer) -> None:
        """Let learners count all steps, and plan on them."""
        for c, rows in enumerate(self.rows):
            ends = np.where(np.isin(rows["tag"], _ENDS), rows["tag"] - _ENDS[0] + 1, 0)
            player.teach(c, rows["observation"], rows["action"], rows["reward"], ends)


def demonstrations(on: Prepared, kind: str, episodes: int) -> Shown:
    """Play ``episodes`` whole episodes in every context.

    Raises:
        UsageError: There is no such demonstrator, or the number is under 1.
    """
    if kind not in KINDS or episodes < 1:
        raise UsageError(
            f"demonstrations are a number of episodes, at least 1, of one of {', '.join(KINDS)}; "
            f"got {episodes} of {kind!r}"
        )
    return Shown(_recorded(on, kind, lambda done, _: done >= episodes), kind, episodes)


def random_steps(on: Prepared, steps: int) -> Shown:
    """Play at random for ``steps`` steps in every context, and on to the end of the episode."""
    return Shown(_recorded(on, "random", lambda _, taken: taken >= steps), "random", None)


def _recorded(on: Prepared, kind: str, enough: Callable[[int, int], bool]) -> list[dict[str, np.ndarray]]:
    """Play all contexts side by side until (episodes, steps) are enough in each, at an episode's end."""
    other = replace(on, request=replace(on.request, seed=derive_seed(on.seed, Purpose.OTHER, _DRAWS) >> 1))
    arena = other.arena()
    contexts = len(arena.n_actions)
    player = _Demonstrator(kind, other, arena)
    rows: list[list[tuple[np.ndarray, int, float, int]]] = [[] for _ in range(contexts)]
    episodes, done = np.zeros(contexts, dtype=np.int64), np.zeros(contexts, dtype=np.bool_)
    for taken in range(1, MOST_STEPS + 1):
        before = arena.observation.copy()
        action = player.act(before)
        told = Outcome(*(np.asarray(part).copy() for part in arena.step(action)))
        player.observe(*told)
        ended = told.terminated | told.truncated
        episodes += ended
        for c in np.flatnonzero(~done).tolist():
            rows[c].append((before[c], int(action[c]), float(told.reward[c]), int(player.tag[c])))
            if ended[c]:
                rows[c].append((told.observation[c], 0, 0.0, _ENDS[0] if told.terminated[c] else _ENDS[1]))
                done[c] = enough(int(episodes[c]), taken)
        if done.all():
            return [_columns(one) for one in rows]
    raise UsageError(f"demonstrations must fit {MOST_STEPS} steps; ask for fewer episodes")


def _columns(rows: list[tuple[np.ndarray, int, float, int]]) -> dict[str, np.ndarray]:
    observation, action, reward, tag = zip(*rows, strict=True)
    return {
        "observation": np.stack(observation).astype(np.int64),
        "action": np.array(action, dtype=np.int64),
        "reward": np.array(reward, dtype=np.float32),
        "tag": np.array(tag, dtype=np.int64),
    }


class _Demonstrator:
    """Acts in all contexts and says with which tags."""

    def __init__(self, kind: str, on: Prepared, arena: Arena) -> None:
        self._contexts = np.arange(len(arena.n_actions))
        self._noise = np.random.Generator(np.random.PCG64(derive_seed(on.seed, Purpose.OTHER, _DRAWS + 1)))
        self._random = RandomPlayer(arena, on.seed)
        self._oracle: Player | None = on.oracle(arena) if "oracle" in kind else None
        self._kind, self._steps = kind, 0
        self._names = Names(arena)
        self._agents: list[TabularAgent] = []
        if kind == "q-learning":
            how = behaviour("q-learning", **TUNED.get(on.suite.name, TUNED["small"])["q-epsilon-greedy"])
            room = on.request.vocabulary if self._names.plain else 1 << 12
            self._agents = [
                TabularAgent(how, room, int(n), seed=derive_seed(on.seed, Purpose.OTHER, _DRAWS + 2 + c))
                for c, n in enumerate(arena.n_actions)
            ]
        self.tag = np.full(len(self._contexts), int(Tag.RANDOM))
        self._acted: tuple[list[int], np.ndarray] | None = None

    def act(self, observation: np.ndarray) -> np.ndarray:
        """Return an action of each context; a noisy oracle's noise falls from always to never over 500 steps."""
        self._steps += 1
        aimless = self._random.act(observation)
        if self._agents:
            seen = self._names.of(observation).tolist()
            actions = np.array([agent.act(s) for agent, s in zip(self._agents, seen, strict=True)])
            self.tag = np.array([agent.tag for agent in self._agents])
            self._acted = (seen, actions)
            return actions
        if self._oracle is None:
            return aimless
        best = self._oracle.act(observation)
        share = max(0.0, 1.0 - (self._steps - 1) / NOISY_STEPS) if self._kind == "noisy-oracle" else 0.0
        noisy = self._noise.random(len(best)) < share
        self.tag = np.where(noisy, int(Tag.RANDOM), int(Tag.ORACLE_0994))
        return np.where(noisy, aimless, best)

    def observe(
        self, next_observation: np.ndarray, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray
    ) -> None:
        """Learn from the step, where it does."""
        if self._acted is None:
            return
        seen, actions = self._acted
        columns = (actions, reward, self._names.of(next_observation), terminated, truncated)
        for agent, state, *step in zip(self._agents, seen, *(column.tolist() for column in columns), strict=True):
            agent.observe(state, *step)
