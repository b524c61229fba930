"""What the stream varies about a stored sequence: tags shown as unknown, reward scale, wanted discount.

Everything is a function of (seed, epoch, sequence, episode): neither rank, nor batch, nor order changes it.
"""

import math
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from common.config import Settings
from common.dataset.schema import DISCOUNTS, Tag
from trainer.tokens import Rows

_SEQUENCE_MASK, _EPISODE_MASK, _REWARD_SCALE, _DISCOUNT = range(4)
"""What a draw is for; each has numbers of its own."""


class AugmentConfig(Settings):
    """What varies from epoch to epoch."""

    mask_sequence_share: float = Field(default=0.15, ge=0, le=1)
    """Share of sequences whose tags are all shown as unknown."""
    mask_episode_share: float = Field(default=0.15, ge=0, le=1)
    """Share of episodes whose tags are shown as unknown, in the other sequences."""
    reward_scale: tuple[float, float] | None = None
    """Rewards of a sequence are multiplied by exp(U(log low, log high)); the paper's range is unknown, ours .1, 3."""
    discounts: tuple[float, ...] = (0.994,)
    """Wanted discounts, one drawn per sequence; of 0, 0.5, 0.93, 0.994."""
    label: Literal["oracle", "action"] | None = None
    """What the policy learns: all optimal actions, or the recorded one; None: as each data recipe says."""

    @model_validator(mode="after")
    def _possible(self) -> "AugmentConfig":
        unknown = [discount for discount in self.discounts if discount not in DISCOUNTS]
        if unknown or not self.discounts:
            raise ValueError(f"discounts takes some of {', '.join(map(str, DISCOUNTS))}, got {list(self.discounts)}")
        if self.reward_scale is not None and not 0 < self.reward_scale[0] <= self.reward_scale[1]:
            raise ValueError(f"reward_scale takes 0 < low <= high, got {list(self.reward_scale)}")
        return self


def augment(
    rows: Rows, config: AugmentConfig, seed: int, epoch: np.ndarray, sequence: np.ndarray, actions: int
) -> tuple[Rows, np.ndarray]:
    """Return the rows as the model shall see them this time, and the wanted discount's index (B,).

    Args:
        rows: Sequences as stored (left alone).
        config: What varies.
        seed: The run's seed.
        epoch: (B,) how often each sequence was seen before.
        sequence: (B,) the sequences' numbers in the dataset.
        actions: A, the id of BREAK.
    """
    key = _key(seed, epoch, sequence)
    tag = rows.tag.copy()
    masked = _masked_rows(rows.action == actions, config, key)
    tag[masked & (tag < Tag.TERMINATED)] = Tag.UNKNOWN
    reward = rows.reward
    if config.reward_scale is not None:
        low, high = (math.log(bound) for bound in config.reward_scale)
        scale = np.exp(low + (high - low) * _uniform(key, _REWARD_SCALE))
        reward = (reward * scale[:, None]).astype(np.float32)
    choice = (_uniform(key, _DISCOUNT) * len(config.discounts)).astype(np.int64)
    discount = np.array([DISCOUNTS.index(value) for value in config.discounts])[choice]
    return rows._replace(tag=tag, reward=reward), discount


def plain(rows: Rows, config: AugmentConfig) -> Rows:
    """Return sequences as they are read where nothing varies: tags are hidden only where training always hides them."""
    if config.mask_sequence_share < 1.0:
        return rows
    return rows._replace(tag=np.where(rows.tag < Tag.TERMINATED, Tag.UNKNOWN, rows.tag).astype(rows.tag.dtype))


def plain_discount(count: int, discounts: tuple[float, ...]) -> np.ndarray:
    """Return the index of the first of ``discounts`` for ``count`` sequences that are not augmented."""
    return np.full(count, DISCOUNTS.index(discounts[0]), dtype=np.int64)


def _masked_rows(breaks: np.ndarray, config: AugmentConfig, key: np.ndarray) -> np.ndarray:
    """Return which rows (B, T) belong to a masked sequence or episode."""
    episode = np.cumsum(breaks, axis=1) - breaks
    hidden_sequence = _uniform(key, _SEQUENCE_MASK) < config.mask_sequence_share
    numbers = np.arange(int(episode.max(initial=0)) + 1, dtype=np.uint64)
    hidden_episode = _uniform(_mix(key[:, None] + numbers), _EPISODE_MASK) < config.mask_episode_share
    return hidden_sequence[:, None] | np.take_along_axis(hidden_episode, episode, axis=1)


def _key(seed: int, epoch: np.ndarray, sequence: np.ndarray) -> np.ndarray:
    """Return one 64-bit key per sequence and epoch."""
    base = _mix(np.array(seed % 2**64, dtype=np.uint64).reshape(1))
    return _mix(_mix(base + epoch.astype(np.uint64)) + sequence.astype(np.uint64))


def _uniform(key: np.ndarray, use: int) -> np.ndarray:
    """Return numbers in [0, 1), float64, one per key."""
    return (_mix(key ^ np.uint64((use + 1) * 0xD1B54A32D192ED03 % 2**64)) >> np.uint64(11)) * 2.0**-53


def _mix(value: np.ndarray) -> np.ndarray:
    """Return splitmix64's output for each state (arrays wrap around silently, as wanted)."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
