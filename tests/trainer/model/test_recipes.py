"""Every shipped recipe builds, on meta; the paper's sizes are the paper's."""

import pytest

from common.config import recipe_names
from trainer import config as configs
from trainer.model import Model, ModelConfig

PAPER = {"paper-gdn": 46.3e6, "paper-rwkv7": 42.9e6, "paper-gsa": 42.9e6, "paper-mamba2": 31.6e6}
"""Parameters in the blocks."""


def built(name: str) -> Model:
    return Model(ModelConfig(vocabulary=128, actions=5, **configs.load(name).model.model_dump()), device="meta")


@pytest.mark.parametrize("name", recipe_names(configs.RECIPES))
def test_every_recipe_builds(name: str) -> None:
    model = built(name)
    assert configs.load(name).name == name
    assert all(parameter.is_meta for parameter in model.parameters())


@pytest.mark.parametrize("name", PAPER)
def test_the_paper_s_parameter_counts_within_2_percent(name: str) -> None:
    model = built(name)
    assert sum(p.numel() for p in model.blocks.parameters()) == pytest.approx(PAPER[name], rel=0.02)


def test_the_paper_s_count_of_rwkv7_in_all() -> None:
    assert built("paper-rwkv7").parameter_count() == pytest.approx(43.6e6, rel=0.02)


def test_small_and_paper_are_as_large_as_they_say() -> None:
    assert 5e6 < built("small").parameter_count() < 10e6
    assert built("paper").parameter_count() == pytest.approx(43e6, rel=0.02)


def test_a_recipe_goes_to_512k_steps_in_segments() -> None:
    config = configs.load("paper-long")
    assert config.segment == 2048 and config.updates_per_batch(524_288) == 8
    assert config.model == configs.load("paper").model
