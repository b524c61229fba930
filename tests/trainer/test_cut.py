"""Sequences cut into shorter contexts: what a piece holds, and a run that begins with pieces."""

from pathlib import Path

import numpy as np
import pytest
import torch

from common.errors import UsageError
from common.synthesis.generate import generate
from common.synthesis.recipe import load as load_data
from tests.trainer.runs import losses
from trainer.config import load
from trainer.data.cut import cut
from trainer.main import main
from trainer.model import ModelConfig
from trainer.tokens import Rows, batch_of


def test_a_piece_is_a_context_of_its_own_but_for_what_follows_it() -> None:
    recipe = load_data("tiny", ["length=96"])
    rows = Rows.of(generate(recipe, 0, 4).arrays())
    discount = np.array([3, 2, 3, 0])
    whole = batch_of(rows, discount, recipe.vocabulary, recipe.actions, "oracle")
    pieces = cut(whole, 32, ModelConfig(vocabulary=recipe.vocabulary, actions=recipe.actions, layers=1, width=16))
    columns = {name: np.stack([x[:, k : k + 32] for k in (0, 32, 64)], axis=1).reshape(12, 32) for name, x in
               rows._asdict().items() if name not in ("oracle", "state")}  # fmt: skip
    alone = batch_of(
        Rows(**columns, oracle=rows.oracle.repeat(3, axis=0)), discount.repeat(3), recipe.vocabulary, recipe.actions,
        "oracle",
    )  # fmt: skip
    for name in pieces.tokens._fields:
        assert torch.equal(getattr(pieces.tokens, name), getattr(alone.tokens, name)), name
    assert torch.equal(pieces.action, alone.action)
    for name in pieces.targets._fields:
        ours, theirs = getattr(pieces.targets, name), getattr(alone.targets, name)
        assert torch.equal(ours[:, :-1], theirs[:, :-1]), name
    # the row after a piece tells what its last row led to
    last = pieces.targets.observation_BT[0, -1]
    assert last == int(rows.observation[0, 32]) and pieces.targets.observation_mask_BT[0, -1]
    assert not pieces.targets.observation_mask_BT[2, -1]
    assert torch.equal(whole.targets.counts(), pieces.targets.counts())


def test_what_is_left_over_is_left_out_and_short_sequences_stay() -> None:
    recipe = load_data("tiny", ["length=96"])
    whole = batch_of(Rows.of(generate(recipe, 0, 2).arrays()), np.array([3, 3]), 16, 5, "oracle")
    size = ModelConfig(vocabulary=16, actions=5, layers=1, width=16)
    pieces = cut(whole, 40, size)
    assert pieces.action.shape == (4, 40) and torch.equal(pieces.action[1], whole.action[0, 40:80])
    assert cut(whole, 96, size) is whole and cut(whole, 97, size) is whole


def test_settings_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(UsageError, match="together, or neither"):
        load("tiny", ["cut.rows=64", "cut.until=0"])
    with pytest.raises(UsageError, match="cut and segments_per_update exclude each other"):
        load("tiny", ["cut={rows=64, until=9}", "segment=64", "segments_per_update=2"])


@pytest.mark.slow
def test_a_run_begins_with_pieces_and_resumes_exactly(data_recipe: Path, train_recipe: Path, tmp_path: Path) -> None:
    options = ["--recipe", str(train_recipe), "--data", f"recipe:{data_recipe}", "--set", "steps=12"]
    options += ["--set", "checkpoint.every=4", "--set", "checkpoint.keep=9"]
    cuts = ["--set", "cut={rows=16, until=6}", "--set", "segment=12"]
    assert main([*options, "--run", str(tmp_path / "whole")]) == 0
    assert main([*options, *cuts, "--run", str(tmp_path / "cut")]) == 0
    whole, ours = losses(tmp_path / "whole"), losses(tmp_path / "cut")
    assert ours[0] != whole[0] and ours[-1] != whole[-1]
    folder = tmp_path / "cut" / "checkpoints"
    for newer in ("step-00000012", "step-00000008"):
        for path in (folder / newer).iterdir():
            path.unlink()
        (folder / newer).rmdir()
    assert main([*options, *cuts, "--run", str(tmp_path / "cut")]) == 0
    assert losses(tmp_path / "cut") == ours
