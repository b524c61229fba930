"""Tokens and targets of the worked example in docs/dataset.md, by hand; ties; augmentation."""

import numpy as np
import pytest
import torch

from trainer.data.augment import AugmentConfig, augment
from trainer.loss import Objective
from trainer.model import Model, ModelConfig
from trainer.tokens import Rows, batch_of

V, A, BREAK = 16, 5, 5
NONE_OBSERVATION, NONE_ACTION = 16, 6


def worked_example() -> Rows:
    oracle = np.zeros((1, 4, V), dtype=np.uint8)
    oracle[0, 3, 11] = 0b00100
    oracle[0, 3, 4] = 0b01001
    oracle[0, 3, 7] = 0b11111
    oracle[0, 0, 4] = 0b10000
    return Rows(
        observation=np.array([[11, 4, 7, 9, 11]], dtype=np.uint8),
        action=np.array([[2, 0, 3, BREAK, 1]], dtype=np.uint8),
        reward=np.array([[-0.05, -0.05, 1.0, 0.0, 0.5]], dtype=np.float32),
        tag=np.array([[6, 3, 3, 8, 6]], dtype=np.uint8),
        oracle=oracle,
    )


def test_tokens_of_the_worked_example() -> None:
    tokens = batch_of(worked_example(), np.array([3]), V, A, "oracle").tokens
    assert tokens.previous_observation[0].tolist() == [NONE_OBSERVATION, 11, 4, 7, 9]
    assert tokens.previous_action[0].tolist() == [NONE_ACTION, 2, 0, 3, BREAK]
    assert tokens.previous_tag[0].tolist() == [7, 6, 3, 3, 8]
    assert tokens.reward[0].tolist() == np.float32([0.0, -0.05, -0.05, 1.0, 0.0]).tolist()
    assert tokens.observation[0].tolist() == [11, 4, 7, 9, 11]
    assert tokens.discount[0].tolist() == [3] * 5


def test_targets_of_the_worked_example() -> None:
    batch = batch_of(worked_example(), np.array([3]), V, A, "oracle")
    targets = batch.targets
    third = [0.2] * 5
    expected = [[0, 0, 1, 0, 0], [0.5, 0, 0, 0.5, 0], third, [0] * 5, [0, 0, 1, 0, 0]]
    torch.testing.assert_close(targets.policy_BTA[0], torch.tensor(expected, dtype=torch.float32))
    assert targets.policy_mask_BT[0].tolist() == [True, True, True, False, True]
    assert targets.observation_mask_BT[0].tolist() == [True, True, True, True, False]
    assert targets.observation_BT[0, :4].tolist() == [4, 7, 9, 11], "at the break row: the reset state"
    assert targets.reward_mask_BT[0].tolist() == [True, True, True, False, True]
    torch.testing.assert_close(targets.reward_BT[0, [0, 2]], torch.tensor([-np.log(1.05), np.log(2.0)]).float())
    assert targets.break_mask_BT[0].tolist() == [True, True, True, False, False]
    assert targets.break_BT[0, :3].tolist() == [0.0, 0.0, 1.0]
    assert batch.action[0].tolist() == [2, 0, 3, BREAK, 1]
    assert targets.optimal_BTD[0].tolist() == [[0, 0, 0, 4], [16, 0, 0, 9], [0, 0, 0, 31], [0] * 4, [0, 0, 0, 4]]
    assert targets.counts().tolist() == [4.0, 4.0, 4.0, 3.0, 4.0]


def test_every_discount_s_loss_is_its_cross_entropy_to_its_optimal_actions() -> None:
    batch = batch_of(worked_example(), np.array([3]), V, A, "oracle")
    sizes = {"width": 16, "layers": 1, "heads": 2, "vocabulary": V, "actions": A}
    model = Model(ModelConfig(**sizes, every_discount=True))
    with torch.no_grad():
        outcome = Objective(model)(batch)[0]
        log_TDA = model.every_policy(model(batch.tokens)[0])[0].log_softmax(-1)
    third = {0: {2}, 1: {0, 3}, 2: {0, 1, 2, 3, 4}, 4: {2}}
    for t in range(5):
        told = [(3, third[t])] if t in third else []
        told += [(0, {4})] if t == 1 else []
        wanted = -sum(float(log_TDA[t, d, list(actions)].mean()) for d, actions in told)
        assert outcome.every_BT[0, t].item() == pytest.approx(wanted, abs=1e-6)
    plain = Objective(Model(ModelConfig(**sizes)))(batch)[0]
    assert not plain.every_BT.any()


def test_another_discount_has_other_labels() -> None:
    targets = batch_of(worked_example(), np.array([0]), V, A, "oracle").targets
    assert targets.policy_mask_BT[0].tolist() == [False, True, False, False, False]
    assert targets.policy_BTA[0, 1].tolist() == [0, 0, 0, 0, 1]


def test_the_label_action_is_the_recorded_action_everywhere_but_at_breaks() -> None:
    targets = batch_of(worked_example(), np.array([3]), V, A, "action").targets
    assert targets.policy_BTA[0].argmax(-1).tolist()[:3] == [2, 0, 3]
    assert targets.policy_mask_BT[0].tolist() == [True, True, True, False, True]


def test_masks_of_64_actions_keep_their_highest_bit() -> None:
    rows = worked_example()._replace(
        action=np.array([[63, 0, 1, 64, 2]], dtype=np.uint8), oracle=np.full((1, 4, V), 1 << 63, dtype=np.uint64)
    )
    targets = batch_of(rows, np.array([3]), V, 64, "oracle").targets
    assert targets.policy_BTA[0, 0].nonzero().tolist() == [[63]]


def many_rows(sequences: int, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    action = rng.integers(0, A + 1, (sequences, 60)).astype(np.uint8)
    tag = np.where(action == BREAK, 8, rng.integers(0, 7, action.shape)).astype(np.uint8)
    return Rows(
        observation=rng.integers(0, V, action.shape).astype(np.uint8),
        action=action,
        reward=rng.normal(size=action.shape).astype(np.float32),
        tag=tag,
        oracle=np.ones((sequences, 4, V), dtype=np.uint8),
    )


def test_tags_are_masked_by_sequence_and_by_episode_but_never_those_of_breaks() -> None:
    rows = many_rows(2000)
    config = AugmentConfig()
    numbers, epoch = np.arange(2000), np.zeros(2000, dtype=np.int64)
    shown, discount = augment(rows, config, 1, epoch, numbers, A)
    acts = rows.action != BREAK
    assert (shown.tag[~acts] == 8).all() and (discount == 3).all()
    masked = (shown.tag == 7) & acts
    assert ((shown.tag == rows.tag) | masked).all()
    whole = (masked | ~acts).all(axis=1).mean()
    assert abs(whole - 0.15) < 0.03
    assert abs(masked[acts].mean() - (0.15 + 0.85 * 0.15)) < 0.02
    episode = np.cumsum(~acts, axis=1) - ~acts
    first = masked & (episode == 0)
    assert ((first.sum(1) == 0) | (first.sum(1) == (acts & (episode == 0)).sum(1))).all(), "whole episodes"


def test_augmentation_depends_on_seed_epoch_and_sequence_alone() -> None:
    rows = many_rows(50)
    config = AugmentConfig(reward_scale=(0.1, 3.0), discounts=(0.93, 0.994))
    numbers, epoch = np.arange(50), np.zeros(50, dtype=np.int64)
    together, discount = augment(rows, config, 7, epoch, numbers, A)
    order = np.random.default_rng(1).permutation(50)[:20]
    part, part_discount = augment(rows.pick(order), config, 7, epoch[order], numbers[order], A)
    for whole, some in zip(together.pick(order), part, strict=True):
        assert np.array_equal(whole, some)
    assert np.array_equal(discount[order], part_discount) and len(set(discount.tolist())) == 2
    ratio = together.reward[:, 0] / rows.reward[:, 0]
    assert ratio.min() > 0.099 and ratio.max() < 3.01 and ratio.std() > 0.3
    for seed, when in ((8, epoch), (7, epoch + 1)):
        other, _ = augment(rows, config, seed, when, numbers, A)
        assert not np.array_equal(other.tag, together.tag)
