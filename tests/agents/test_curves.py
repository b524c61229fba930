"""Noise distillation and jump-start: curves as they are written down, and who acts when."""

import numpy as np
import pytest

from common.agents import TabularAgent, behaviour
from common.agents.choice import CURVES, falling
from common.dataset.schema import Tag
from common.errors import UsageError
from common.synthesis.generate import play

PART = np.linspace(0.0, 1.0, 101)
FORMULA = {
    "linear": lambda part, k: 1 - part,
    "exponential": lambda part, k: (np.exp(-k * part) - np.exp(-k)) / (1 - np.exp(-k)),
    "power": lambda part, k: (1 - part) ** k,
}


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("sharpness", [0.5, 1.0, 4.0])
def test_curves_are_what_they_say(curve, sharpness):
    made = [falling(CURVES.index(curve), sharpness, part) for part in PART]
    np.testing.assert_allclose(made, FORMULA[curve](PART, sharpness), atol=1e-14)
    assert falling(CURVES.index(curve), sharpness, 1.5) == 0.0


def test_an_exponential_without_rate_is_linear():
    assert [falling(1, 0.0, part) for part in PART] == [falling(0, 0.0, part) for part in PART]


@pytest.mark.parametrize("curve", CURVES)
def test_the_noise_of_distillation_falls_along_its_curve(world, curve):
    shares, length, runs = np.zeros(300), 500, 400
    settings = behaviour("noise-distillation", noise=0.9, last=0.1, until=0.4, curve=curve, sharpness=2.0)
    for seed in range(runs):
        tag = play(world, settings, length, seed).tag[0]
        acting = tag[tag < Tag.TERMINATED][:300]
        assert set(acting) <= {Tag.ORACLE_0994, Tag.RANDOM}
        shares += acting == Tag.RANDOM
    part = np.minimum(np.arange(300) / (0.4 * length), 1.0)
    expected = 0.1 + 0.8 * FORMULA[curve](part, 2.0)
    assert np.abs(shares / runs - expected).max() < 5 * np.sqrt(0.25 / runs)
    assert np.abs((shares / runs - expected).mean()) < 0.01


@pytest.mark.parametrize(("explorer", "tag"), [("random", 6), ("least-tried", 6), ("model-based", 4)])
def test_jump_start_hands_over_after_h_steps_of_each_episode(world, explorer, tag):
    length, guided, until = 600, 1.0, 0.5
    settings = behaviour("jump-start", oracle=2, explorer={"kind": explorer}, guided=guided, until=until)
    tags, step, began, handed = play(world, settings, length, 3).tag[0], 0, 0, set()
    for value in tags:
        if value >= Tag.TERMINATED:
            began = step
            continue
        horizon = guided * world.n_states * max(0.0, 1 - began / (until * length))
        assert value == (2 if step - began < horizon else tag)
        handed.add((step - began >= horizon, horizon > 0))
        step += 1
    assert handed == {(False, True), (True, True), (True, False)}


@pytest.mark.parametrize("explorer", ["q-learning", "model-based"])
def test_the_explorer_learns_from_all_steps(world, explorer):
    """The guide's steps teach it as they would teach the same learner alone."""
    jump = TabularAgent.of_world(world, behaviour("jump-start", explorer={"kind": explorer}))
    alone = TabularAgent.of_world(world, behaviour(explorer))
    data = play(world, behaviour("oracle"), 500, 1)
    for t in range(499):
        if data.action[0, t] < world.n_actions:
            ends = [bool(data.tag[0, t + 1] == end) for end in (Tag.TERMINATED, Tag.TRUNCATED)]
            step = (int(data.state[0, t]), int(data.action[0, t]), data.reward[0, t], int(data.state[0, t + 1]), *ends)
            jump.observe(*step)
            alone.observe(*step)
    assert np.ptp(alone.q) > 0.1
    np.testing.assert_array_equal(jump.q, alone.q)


def test_behaviours_without_values_say_so(world):
    for settings in (behaviour("random"), behaviour("jump-start", explorer={"kind": "least-tried"})):
        with pytest.raises(UsageError, match="learns no action values; those that do are q-learning and model-based"):
            _ = TabularAgent.of_world(world, settings).q


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("noise-distillation", {"curve": "cosine"}, "'linear', 'exponential' or 'power', got 'cosine'"),
        ("noise-distillation", {"until": 1.5}, r"lie in \[0, 1\], got 1.5"),
        ("jump-start", {"explorer": {"kind": "oracle"}}, "'random', 'softmax', 'q-learning', 'model-based'"),
        ("jump-start", {"guided": -1.0}, "got -1"),
        ("model-based", {"preset": "anymdp", "gamma": 0.9}, "fixes every parameter, so leave out gamma"),
        ("softmax", {"preset": "anymdp", "scale": 0.3}, "fixes every parameter, so leave out scale"),
        ("model-based", {"gamma": 1.2}, r"lie in \[0, 1\], got 1.2"),
    ],
)
def test_bad_settings_are_refused(kind, settings, message):
    with pytest.raises(UsageError, match=message):
        behaviour(kind, **settings)


def test_presets_say_what_the_specification_says():
    assert behaviour("noisy-oracle", preset="anymdp", oracle=2).drawn() == behaviour("noisy-oracle", oracle=2).drawn()
    drifting = behaviour("softmax", scale={"exponential": 2.0}, drift={"exponential": 1e-5})
    np.testing.assert_array_equal(behaviour("softmax", preset="anymdp").table(), drifting.table())
    assert behaviour("softmax", preset="anymdp").memory_size(8, 3) == drifting.memory_size(8, 3)
    assert "preset" not in behaviour("softmax").model_dump()  # recipes from before it keep their identity
