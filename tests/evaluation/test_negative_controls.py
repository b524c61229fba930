"""Negative controls: who knows nothing scores about 0, who copies the oracle 1, who memorised about 0.

Two models are trained for the purpose, for some minutes: alike, but one on distinct worlds, the other on 64.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trainer.agent import Agent, AgentSettings
from trainer.evaluation.baselines.shown import Shown, random_steps
from trainer.evaluation.demonstrations import begin_with
from trainer.evaluation.play import pieces
from trainer.evaluation.prepared import Prepared, Request
from trainer.evaluation.run import tally_agent
from trainer.evaluation.score import action_scores, per_step
from trainer.evaluation.suites import suite
from trainer.evaluation.tally import Tally
from trainer.model import Model, ModelConfig

pytestmark = pytest.mark.slow
WORLDS, STEPS = 48, 200
MANY = 256
"""Worlds of the trained ones: a mean's standard error is about .025."""
LENGTH, UPDATES, BATCH = 256, 600, 32
SHOWN, NEXT = 150, 25
"""Random steps shown beforehand, and the steps scored after them."""


def prepared(worlds: int = WORLDS, steps: int = STEPS) -> Prepared:
    return suite("small").prepare(Request(worlds=worlds, steps=steps, vocabulary=16, actions=5))


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


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs of two equal models: ``distinct`` had a fresh world for every sequence, ``pool`` 64 worlds in all."""
    runs = {name: tmp_path_factory.mktemp(name) / "run" for name in ("distinct", "pool")}
    pool = {"distinct": [], "pool": ["--data-set", "tasks=64"]}
    training = [f"steps={UPDATES}", f"batch={BATCH}"]
    words = ["--recipe", "tiny", "--data", "recipe:tiny", "--data-set", f"length={LENGTH}"]
    words += [word for setting in training for word in ("--set", setting)]
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "trainer.main", *words, *pool[name], "--run", str(run)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
        )
        for name, run in runs.items()
    ]
    assert [process.wait() for process in started] == [0, 0]
    return runs


@pytest.mark.timeout(3600)
def test_a_model_trained_on_64_tasks_scores_about_0_on_unseen_ones(trained: dict[str, Path]) -> None:
    on = prepared(MANY)
    late = {}
    for name, run in trained.items():
        tally = tally_agent(Agent.load(run), on, say=lambda _: None)
        late[name] = float(per_step(tally, [(100, STEPS)])[on.counted].mean())
    assert late["distinct"] > 0.3, late
    assert abs(late["pool"]) < 0.1, late


@pytest.mark.timeout(3600)
def test_a_shuffled_context_scores_no_better_than_none(trained: dict[str, Path]) -> None:
    """Who saw 150 random steps acts well at once; who saw the same parts of them in disorder acts as if it saw none."""
    on = prepared(MANY, NEXT)
    shown = random_steps(on, SHOWN)
    agent = Agent.load(trained["distinct"], AgentSettings(temperature=0.2, temperature_steps=0))
    score = {}
    for name, what in (("none", None), ("true", shown), ("shuffled", shuffled(shown))):
        tally = tally_agent(agent, on, say=lambda _: None, begin=what and begin_with(what))
        score[name] = float(per_step(tally, [(0, NEXT)])[on.counted].mean())
    assert score["true"] > score["none"] + 0.3, score
    assert score["shuffled"] < score["none"] + 0.1, score


def shuffled(shown: Shown) -> Shown:
    """The same steps with observations, actions and rewards each in an order of their own; breaks stay."""
    random, rows = np.random.default_rng(0), []
    for one in shown.rows:
        steps = np.flatnonzero(one["tag"] < 8)
        mixed = {name: values.copy() for name, values in one.items()}
        for name in ("observation", "action", "reward"):
            mixed[name][steps] = one[name][random.permutation(steps)]
        rows.append(mixed)
    return Shown(rows, "shuffled random", None)
