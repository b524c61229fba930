"""Over every suite: the rows an agent sees in play are, byte for byte, those that would be recorded."""

from typing import Any

import numpy as np
import pytest

from common.agents.kinds import behaviour
from common.dataset.schema import Tag, array_types
from common.synthesis.generate import play as generate
from trainer.agent import Agent, AgentSettings
from trainer.evaluation.arena import world_seeds
from trainer.evaluation.prepared import Request
from trainer.evaluation.suites import SUITES, environment
from trainer.evaluation.suites.environment import environment_suite
from trainer.folding import Folding
from trainer.model import Model, ModelConfig

COLUMNS = ("observation", "action", "reward", "tag")
STEPS, WORLDS, ACTIONS = 60, 2, 12
CAP = 25
"""Every suite's episodes end within the steps played."""


class Scripted(Agent):
    """An Agent that takes given ids: all but the choice is the Agent's own."""

    ids: np.ndarray
    taken = 0

    def _sample(self, logits: np.ndarray) -> np.ndarray:
        self.taken += 1
        return self.ids[:, self.taken - 1]


def agent_for(tokens: int, vocabulary: int) -> Scripted:
    sizes: dict[str, Any] = {"width": 8, "layers": 1, "heads": 1}
    config = ModelConfig(vocabulary=vocabulary, actions=ACTIONS, observation_tokens=tokens, **sizes)
    return Scripted(Model(config), AgentSettings(own_tag=int(Tag.UNKNOWN)), record=True)


@pytest.mark.parametrize("name", [*SUITES, "Acrobot-v1"])
def test_rows_in_play_are_those_that_are_recorded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "LEARNING_STEPS", 100)
    monkeypatch.setattr(environment, "LAST", 2)
    monkeypatch.setattr(environment, "EPISODES", 2)
    chosen = SUITES[name] if name in SUITES else environment_suite(name, (2,))
    tokens = 4 if name == "multi-token-pomdp" else 1
    vocabulary = {"taxi": 512, "multi-token-pomdp": 16}.get(name, 200)
    request = Request(worlds=WORLDS, steps=STEPS, vocabulary=vocabulary, actions=ACTIONS, tokens=tokens)
    how = request.protocol.model_copy(update={"episode_cap": CAP})
    on = chosen.prepare(Request(**{**vars(request), "protocol": how}))
    agent, arena = agent_for(tokens, vocabulary), on.arena()
    agent.reset(len(arena.n_actions), arena.n_actions)
    random = np.random.Generator(np.random.PCG64(1))
    agent.ids = random.integers(ACTIONS, size=(len(arena.n_actions), STEPS))
    generated = []
    if on.tasks:
        # the generator's own rows, and an agent that does what was done there
        for task, seed in zip(on.tasks, world_seeds(WORLDS, 0), strict=True):
            generated.append(generate(task.world, behaviour("random"), 2 * STEPS + 2, seed, ACTIONS))
        agent.folding = Folding(np.array([rows.rows[0]["action_map"] for rows in generated]))
        agent.ids = np.array([rows.action[0][rows.action[0] != ACTIONS][:STEPS] for rows in generated])
    told: list[dict[str, list[Any]]] = [{column: [] for column in COLUMNS} for _ in arena.n_actions]
    for t in range(STEPS):
        observation = arena.observation
        outcome = arena.step(agent.act(observation))
        agent.observe(*outcome)
        for c, rows in enumerate(told):
            _append(rows, observation[c], agent.ids[c, t], outcome.reward[c], Tag.UNKNOWN)
            if outcome.terminated[c] or outcome.truncated[c]:
                _append(rows, outcome.observation[c], ACTIONS, 0.0, 8 if outcome.terminated[c] else 9)
    types = array_types(vocabulary, ACTIONS)
    for c, rows in enumerate(told):
        seen = agent.rows(c)
        assert len(seen["action"]) > STEPS
        for column in COLUMNS:
            wanted = np.array(rows[column]).astype(types[column])
            assert seen[column].tobytes() == wanted.tobytes(), column
            if generated:
                recorded = getattr(generated[c], column)[0, : len(wanted)]
                if column == "tag":
                    recorded = np.where(seen["action"] == ACTIONS, recorded, Tag.UNKNOWN).astype(np.uint8)
                assert seen[column].dtype == recorded.dtype
                assert seen[column].tobytes() == recorded.tobytes(), column


def _append(rows: dict[str, list[Any]], *values: Any) -> None:
    for column, value in zip(COLUMNS, values, strict=True):
        rows[column].append(value)
