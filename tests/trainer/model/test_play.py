"""Play equals training: an Agent's logits, a step at a time, are those of one pass over the rows it recorded."""

import numpy as np
import pytest
import torch

from trainer import Agent
from trainer.tokens import Rows, tokens_of

from .parts import BACKBONES, difference, small

STEPS = 70
"""Past a chunk and, with breaks, past another; the window is 40."""


@pytest.mark.parametrize(
    ("backbone", "layout"), [*((b, "transition") for b in BACKBONES), ("gated-delta-net", "podtawr")]
)
def test_logits_in_play_are_those_of_a_whole_pass(backbone: str, layout: str) -> None:
    agent = Agent(small(backbone, layout=layout), record=True)
    agent.reset(3, 3)
    rng, played = np.random.default_rng(0), []
    observation = rng.integers(0, 6, 3)
    for _ in range(STEPS):
        agent.act(observation)
        played.append(agent.logits)
        ended, reached = rng.random(3) < 0.1, rng.integers(0, 6, 3)
        agent.observe(reached, rng.normal(size=3).astype(np.float32), ended, np.zeros(3, dtype=bool))
        observation = np.where(ended, rng.integers(0, 6, 3), reached)
    for w in range(3):
        rows = Rows(**{name: x[None] for name, x in agent.rows(w).items()}, oracle=np.zeros((1, 4, 6), dtype=np.uint8))
        tokens = tokens_of(rows, np.array([agent._discount]), 6, 3)
        with torch.no_grad():
            whole = agent.model.policy(agent.model(tokens)[0])[0]
        acts = torch.from_numpy(rows.action[0] != 3)
        assert int((~acts).sum()) > 0 and int(acts.sum()) == STEPS
        assert difference(torch.from_numpy(np.stack(played)[:, w]), whole[acts]) < 1e-4
