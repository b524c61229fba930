"""Negative controls of the evaluation itself: who knows nothing scores about 0, who copies the oracle 1."""

import numpy as np
import pytest

from trainer.agent import Agent
from trainer.evaluation.play import pieces
from trainer.evaluation.prepared import Prepared, Request
from trainer.evaluation.run import tally_agent
from trainer.evaluation.score import action_scores
from trainer.evaluation.suites import suite
from trainer.evaluation.tally import Tally
from trainer.model import Model, ModelConfig

pytestmark = pytest.mark.slow
WORLDS, STEPS = 48, 200


def prepared() -> Prepared:
    return suite("small").prepare(Request(worlds=WORLDS, steps=STEPS, vocabulary=16, actions=5))


def by_actions(tally: Tally) -> float:
    return float(np.mean([one["mean"] for one in action_scores(tally, [(0, STEPS)])]))


def test_an_untrained_model_is_about_random() -> None:
    agent = Agent(Model(ModelConfig(vocabulary=16, actions=5, width=32, layers=2)))
    assert abs(by_actions(tally_agent(agent, prepared(), say=lambda _: None))) < 0.1


def test_a_policy_that_copies_the_oracle_scores_1() -> None:
    on = prepared()
    arena = on.arena()
    tally = Tally(on.references, STEPS).add_all(pieces(on.oracle(arena), arena, STEPS))
    assert by_actions(tally) == pytest.approx(1.0, abs=1e-9)
