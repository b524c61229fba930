"""What the recipes dpd, dpt, ad and ad-eps make the policy learn, and the settings of the stream that vary it."""

import numpy as np
import pytest

from common.dataset import open_dataset
from common.errors import UsageError
from trainer.config import TrainConfig
from trainer.data.augment import AugmentConfig, plain
from trainer.data.config import DataConfig
from trainer.data.mixture import Mixture, Opening
from trainer.data.stream import Stream
from trainer.tokens import Batch, Rows
from trainer.validation import recipes_of

SMALL = ("length=120", "sequences=8", "sequences_per_shard=4", "families.0.parameters.n_states=8")
PLAIN = {"mask_sequence_share": 0.0, "mask_episode_share": 0.0}


def batch(recipe: str, **settings) -> tuple[Batch, list[dict[str, np.ndarray]]]:
    """Return the first batch of a recipe, and its sequences as a dataset has them."""
    mixture = Mixture(Opening((f"recipe:{recipe}",), SMALL), DataConfig())
    stream = Stream(mixture, AugmentConfig(**{**PLAIN, **settings}), 3, 4)
    stored = open_dataset(f"recipe:{recipe}", SMALL)
    return stream.at(0), [stored[int(number)] for number in stream.plan(np.arange(4)).sequence]


@pytest.mark.parametrize("recipe", ["dpd", "dpt", "ad", "ad-eps"])
def test_the_target_is_the_oracle_or_the_recorded_action(recipe: str) -> None:
    made, stored = batch(recipe)
    target, mask = made.targets.policy_BTA.numpy(), made.targets.policy_mask_BT.numpy()
    copied = []
    for b, rows in enumerate(stored):
        acts = rows["action"] != 5
        copied.append(np.array_equal(target[b, acts].argmax(axis=1), rows["action"][acts]))
        if recipe.startswith("ad"):
            assert (target[b, acts].max(axis=1) == 1).all() and (mask[b] == acts).all()
            continue
        masks = rows["oracle"][3][rows["observation"]]
        wanted = (masks[:, None] >> np.arange(5)) & 1 & acts[:, None]
        assert ((target[b] > 0) == (wanted > 0)).all() and (mask[b] == (wanted.sum(1) > 0)).all()
    assert all(copied) == recipe.startswith("ad"), "as stored, noise included"


def test_the_label_can_be_set() -> None:
    by_recipe, _ = batch("ad")
    oracle, _ = batch("ad", label="oracle")
    assert not (oracle.targets.policy_BTA == by_recipe.targets.policy_BTA).all()
    assert (batch("dpd", label="action")[0].targets.policy_BTA.sum(-1) <= 1).all()


def test_the_wanted_discount_is_shown_and_decides_the_label() -> None:
    patient, stored = batch("dpd")
    greedy, _ = batch("dpd", discounts=(0.0,))
    assert (patient.tokens.discount == 3).all() and (greedy.tokens.discount == 0).all()
    masks = stored[0]["oracle"][0][stored[0]["observation"]]
    acts = stored[0]["action"] != 5
    wanted = (masks[:, None] >> np.arange(5)) & 1 & acts[:, None]
    assert ((greedy.targets.policy_BTA[0].numpy() > 0) == (wanted > 0)).all()


def test_rewards_are_scaled_per_sequence() -> None:
    plain, _ = batch("dpd")
    scaled, _ = batch("dpd", reward_scale=(0.1, 3.0))
    ratio = (scaled.tokens.reward / plain.tokens.reward).numpy()
    factors = {round(float(np.nanmedian(row)), 4) for row in ratio}
    assert len(factors) == 4 and all(0.1 <= factor <= 3 for factor in factors)


@pytest.mark.parametrize("share", ["mask_sequence_share", "mask_episode_share"])
def test_tags_are_masked_breaks_never(share: str) -> None:
    made, stored = batch("dpd", **{share: 1.0})
    tags, truth = made.tokens.previous_tag[:, 1:].numpy(), np.stack([rows["tag"] for rows in stored])[:, :-1]
    assert (tags[truth < 7] == 7).all() and (tags[truth >= 8] == truth[truth >= 8]).all()


def test_unvaried_sequences_hide_tags_only_where_training_always_does() -> None:
    _, stored = batch("dpd")
    rows = Rows(**{name: np.stack([one[name] for one in stored]) for name in Rows._fields if name in stored[0]})
    assert plain(rows, AugmentConfig(mask_sequence_share=0.9)) is rows
    hidden = plain(rows, AugmentConfig(mask_sequence_share=1.0))
    assert (hidden.tag[rows.tag < 7] == 7).all() and (hidden.tag[rows.tag >= 8] == rows.tag[rows.tag >= 8]).all()
    assert hidden.tag.dtype == rows.tag.dtype and hidden.reward is rows.reward


def test_a_validation_recipe_is_taken_at_the_data_s_length() -> None:
    mixture = Mixture(Opening(("recipe:ad-eps",), SMALL), DataConfig())
    config = TrainConfig(name="x", steps=1, batch=1, validation={"recipe": "dpd"})
    unseen = recipes_of(config, mixture)["unseen"][0]
    assert (unseen.name, unseen.length) == ("dpd", 120)
    with pytest.raises(UsageError, match="no behaviour without an oracle"):
        recipes_of(TrainConfig(name="x", steps=1, batch=1), mixture)
