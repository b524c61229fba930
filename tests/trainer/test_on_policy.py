"""On-policy sequences: the model's own play in fresh worlds, as the generator would record it, with oracle labels."""

from pathlib import Path

import numpy as np
import pytest

from common.dataset.schema import DISCOUNTS, Tag
from common.dataset.virtual import VirtualDataset
from common.errors import UsageError
from common.seeding import Purpose
from common.synthesis.generate import Synthesis
from common.synthesis.recipe import Recipe
from common.synthesis.recipe import load as load_data
from common.worlds import solve
from tests.trainer.runs import losses
from trainer.config import TrainConfig, load
from trainer.data.config import DataConfig
from trainer.data.mixture import Mixture
from trainer.data.source import Source
from trainer.loss import Objective
from trainer.main import main
from trainer.model import Model, ModelConfig
from trainer.on_policy import FRESH, OnPolicy
from trainer.parallel import process_group


@pytest.fixture
def player(data_recipe: Path, train_recipe: Path) -> OnPolicy:
    config = load(str(train_recipe), ["on_policy.share=0.5", "on_policy.tag=6"])
    recipe = load_data(str(data_recipe))
    mixture = Mixture.of(Source(VirtualDataset(recipe, f"recipe:{data_recipe}"), DataConfig()))
    with process_group(1) as ranks:
        made = OnPolicy(config, mixture, ranks)
        size = ModelConfig(vocabulary=6, actions=3, **config.model.model_dump())
        made.take(Objective(Model(size, seed=1)))
    return made


def test_its_rows_are_of_fresh_worlds_and_labelled_by_the_oracle(player: OnPolicy, data_recipe: Path) -> None:
    rows = player.play(first=40, count=3)
    synthesis = Synthesis(load_data(str(data_recipe)), Purpose.TRAIN)
    assert rows.observation.shape == (3, 48) and set(np.unique(rows.tag)) <= {6, Tag.TERMINATED, Tag.TRUNCATED}
    for place in range(3):
        world = synthesis.world(FRESH + 40 + place)
        q = solve(world, DISCOUNTS[-1])
        breaks = rows.action[place] == 3
        assert (np.isin(rows.tag[place], (8, 9)) == breaks).all()
        state_of = {int(symbol): state for state, symbol in enumerate(world.symbol) if not world.terminal[state]}
        catalog = synthesis.write(FRESH + 40 + place, synthesis.room(1), 0)
        for t in np.flatnonzero(~breaks):
            symbol = int(rows.observation[place, t])
            best = np.flatnonzero(q[state_of[symbol]] >= q[state_of[symbol]].max() - 1e-9)
            wanted = {i for i, action in enumerate(catalog["action_map"]) if action in best}
            mask = int(rows.oracle[place, len(DISCOUNTS) - 1, symbol])
            assert {i for i in range(3) if mask >> i & 1} == wanted
            # what came of the action is what the world allows
            if t + 1 < 48:
                action = catalog["action_map"][rows.action[place, t]]
                row = world.to_dense()["transition"][state_of[symbol], action]
                after = {int(world.symbol[s]) for s in np.flatnonzero(row)}
                assert int(rows.observation[place, t + 1]) in after
    again = player.play(first=40, count=3)
    assert all(np.array_equal(a, b) for a, b in zip(rows, again, strict=True) if a is not None)


@pytest.mark.slow
def test_a_run_with_them_learns_from_other_batches_and_resumes_exactly(
    data_recipe: Path, train_recipe: Path, tmp_path: Path
) -> None:
    options = ["--recipe", str(train_recipe), "--data", f"recipe:{data_recipe}", "--set", "steps=12"]
    options += ["--set", "checkpoint.every=4", "--set", "checkpoint.keep=9"]
    own = ["--set", "on_policy.share=0.5", "--set", "on_policy.begin=5", "--set", "on_policy.every=2"]
    assert main([*options, "--run", str(tmp_path / "without")]) == 0
    assert main([*options, *own, "--run", str(tmp_path / "with")]) == 0
    without, ours = losses(tmp_path / "without"), losses(tmp_path / "with")
    assert ours[:6] == without[:6] and ours[6] != without[6]
    folder = tmp_path / "with" / "checkpoints"
    for newer in ("step-00000012", "step-00000008"):
        for path in (folder / newer).iterdir():
            path.unlink()
        (folder / newer).rmdir()
    assert main([*options, *own, "--run", str(tmp_path / "with")]) == 0
    assert losses(tmp_path / "with") == ours


def test_what_cannot_be_played_is_refused() -> None:
    config = TrainConfig.model_validate({"name": "x", "steps": 1, "batch": 2, "on_policy": {"share": 0.5}})
    families = [{"family": "pomdp", "parameters": {"n_states": 8, "n_actions": 3}}]
    values = {**load_data("tiny").model_dump(), "families": families, "vocabulary": 64, "name": "hidden"}
    recipe = Recipe.model_validate(values)
    mixture = Mixture.of(Source(VirtualDataset(recipe, "recipe:tiny"), DataConfig()))
    with process_group(1) as ranks, pytest.raises(UsageError, match="worlds whose states can be seen"):
        OnPolicy(config, mixture, ranks)
