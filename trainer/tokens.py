"""Rows of a dataset in; the model's tokens and what it should answer at every position out.

Shapes: B sequences, T rows, A actions, D discounts, V symbols; (B, T) of observations is (B, T, tokens) where they have
several. The time alignment is the dataset's (docs/dataset.md).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from common.dataset.schema import Tag
from trainer.model import Tokens


class Rows(NamedTuple):
    """Some sequences as the dataset stores them."""

    observation: np.ndarray
    """(B, T) symbols 0..V-1."""
    action: np.ndarray
    """(B, T) ids 0..A-1, BREAK = A at break rows."""
    reward: np.ndarray
    """(B, T) float32, raw."""
    tag: np.ndarray
    """(B, T) ``Tag``."""
    oracle: np.ndarray
    """(B, D, V) bit masks of the optimal actions, 0 where there is no label."""
    state: np.ndarray | None = None
    """(B, T) what ``oracle`` is indexed by where the data hide states; None: the observation."""

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> "Rows":
        """Return rows of stored arrays by name."""
        return cls(**{name: arrays[name] for name in cls._fields if name in arrays})

    @classmethod
    def join(cls, parts: Sequence["Rows"]) -> "Rows":
        """Return the sequences of several rows, in order."""
        joined = [None if arrays[0] is None else np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
        return cls(*joined)  # type: ignore[arg-type]

    def pick(self, which: Any) -> "Rows":
        """Return some of the sequences, as an array is indexed."""
        return Rows(*(None if array is None else array[which] for array in self))  # type: ignore[arg-type]


class Targets(NamedTuple):
    """What the heads should answer; a target counts where its mask is True."""

    policy_BTA: Tensor
    """float32: the wanted distribution over actions, all 0 where there is none."""
    policy_mask_BT: Tensor
    observation_BT: Tensor
    """int64: the next row's observation."""
    observation_mask_BT: Tensor
    reward_BT: Tensor
    """float32: symlog of the reward."""
    reward_mask_BT: Tensor
    break_BT: Tensor
    """float32: 1 where the next row is an episode break."""
    break_mask_BT: Tensor
    optimal_BTD: Tensor
    """int64: bit masks of the optimal actions of every discount, 0 where there is no label."""

    def counts(self) -> Tensor:
        """Return how many targets count, in the order of ``trainer.loss.HEADS``; float64 (H,)."""
        return self.counts_by_position().sum(dim=1)

    def counts_by_position(self) -> Tensor:
        """Return how many sequences have a target, per head and position; float64 (H, T)."""
        every_mask_BT = (self.optimal_BTD != 0).any(dim=-1)
        masks = (
            self.policy_mask_BT,
            self.observation_mask_BT,
            self.reward_mask_BT,
            self.break_mask_BT,
            every_mask_BT,
        )
        return torch.stack([mask.sum(dim=0, dtype=torch.float64) for mask in masks])


class Batch(NamedTuple):
    """Whole sequences, ready for the model."""

    tokens: Tokens
    action: Tensor
    """int64 (B, T): the action taken, BREAK at break rows; what the world model is asked about."""
    targets: Targets

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on ``device``."""
        return Batch(
            Tokens(*(x.to(device) for x in self.tokens)),
            self.action.to(device),
            Targets(*(x.to(device) for x in self.targets)),
        )

    def pick(self, which: Any) -> "Batch":
        """Return some of the sequences, as a tensor is indexed."""
        return Batch(
            Tokens(*(x[which] for x in self.tokens)), self.action[which], Targets(*(x[which] for x in self.targets))
        )

    @classmethod
    def join(cls, parts: "Sequence[Batch]") -> "Batch":
        """Return the sequences of several batches, in order."""
        return cls(
            Tokens(*(torch.cat(column) for column in zip(*(part.tokens for part in parts), strict=True))),
            torch.cat([part.action for part in parts]),
            Targets(*(torch.cat(column) for column in zip(*(part.targets for part in parts), strict=True))),
        )

    def segment(self, first: int, end: int) -> "Batch":
        """Return positions ``first`` to ``end`` - 1 of every sequence; targets may look past the cut."""
        return Batch(
            Tokens(*(x[:, first:end] for x in self.tokens)),
            self.action[:, first:end],
            Targets(*(x[:, first:end] for x in self.targets)),
        )


def tokens_of(rows: Rows, discount: np.ndarray, vocabulary: int, actions: int) -> Tokens:
    """Return the transition tokens: token t holds what row t - 1 brought, and the observation of row t.

    Args:
        rows: Sequences from their first row on.
        discount: (B,) index of the wanted discount of each sequence.
        vocabulary: V; the id of "no previous observation".
        actions: A; A + 1 is the id of "no previous action".
    """
    shape = rows.action.shape
    return Tokens(
        previous_observation=_int64(_shifted(rows.observation, vocabulary)),
        previous_action=_int64(_shifted(rows.action, actions + 1)),
        previous_tag=_int64(_shifted(rows.tag, int(Tag.UNKNOWN))),
        reward=torch.from_numpy(_shifted(rows.reward, 0.0)),
        observation=_int64(rows.observation),
        discount=_int64(np.broadcast_to(discount[:, None], shape)),
    )


def targets_of(rows: Rows, discount: np.ndarray, actions: int, label: str) -> Targets:
    """Return the targets of every row.

    At break rows there is no policy, reward or break target, and the next observation is the reset state. The last
    row has neither next-observation nor break target.

    Args:
        rows: Sequences; every row's successor is the next row of the same sequence.
        discount: (B,) index of the discount whose optimal actions are wanted.
        actions: A, also the id of BREAK.
        label: ``oracle``: uniform over the optimal actions; ``action``: the recorded action itself.
    """
    acts = rows.action != actions
    has_next = np.ones(acts.shape, dtype=bool)
    has_next[:, -1] = False
    labelled = (rows.observation if rows.state is None else rows.state).astype(np.int64)
    sequences = np.arange(len(rows.oracle))
    optimal_BTD = rows.oracle[sequences[:, None], :, labelled] * acts[..., None].astype(rows.oracle.dtype)
    if label == "action":
        bits = np.uint64(1) << np.minimum(rows.action, actions - 1).astype(np.uint64)
    else:
        bits = optimal_BTD[sequences[:, None], np.arange(labelled.shape[1]), discount[:, None]]
    wanted = ((bits[..., None].astype(np.uint64) >> np.arange(actions, dtype=np.uint64)) & np.uint64(1)).astype(
        np.float32
    )
    wanted *= acts[..., None]
    number = wanted.sum(axis=-1, keepdims=True)
    reward = torch.from_numpy(rows.reward.astype(np.float32))
    return Targets(
        policy_BTA=torch.from_numpy(wanted / np.maximum(number, 1.0)),
        policy_mask_BT=torch.from_numpy(number[..., 0] > 0),
        observation_BT=_int64(np.roll(rows.observation, -1, axis=1)),
        observation_mask_BT=torch.from_numpy(has_next),
        reward_BT=torch.sign(reward) * torch.log1p(reward.abs()),
        reward_mask_BT=torch.from_numpy(acts),
        break_BT=torch.from_numpy(np.roll(~acts, -1, axis=1).astype(np.float32)),
        break_mask_BT=torch.from_numpy(acts & has_next),
        optimal_BTD=_int64(optimal_BTD),
    )


def batch_of(rows: Rows, discount: np.ndarray, vocabulary: int, actions: int, label: str) -> Batch:
    """Return tokens, actions taken and targets of ``rows``; the arguments are those of the functions above."""
    tokens = tokens_of(rows, discount, vocabulary, actions)
    return Batch(tokens, _int64(rows.action), targets_of(rows, discount, actions, label))


def _shifted(rows: np.ndarray, first: float) -> np.ndarray:
    """Return each row's predecessor, ``first`` before the first row; integers as int64."""
    shifted = np.empty(rows.shape, dtype=np.float32 if rows.dtype.kind == "f" else np.int64)
    shifted[:, 0] = first
    shifted[:, 1:] = rows[:, :-1]
    return shifted


def _int64(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.int64))
