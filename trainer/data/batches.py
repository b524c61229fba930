"""A plan of sequences in, a batch for the model out: rows read, varied, turned into tokens and targets."""

from typing import NamedTuple

import numpy as np
import torch

from trainer.data.augment import AugmentConfig, augment
from trainer.data.mixture import Mixture
from trainer.data.order import EPOCHS_AN_ERA
from trainer.tokens import Batch, batch_of


class Plan(NamedTuple):
    """Which sequences a batch is made of; B of them."""

    dataset: np.ndarray
    """(B,) int64, which dataset of the mixture."""
    epoch: np.ndarray
    """(B,) int64."""
    sequence: np.ndarray
    """(B,) int64, number in the dataset: what is varied depends on it."""
    read: np.ndarray
    """(B,) int64, the sequence to read; another one only where its shard was set aside."""


class Batches:
    """Makes batches of a mixture.

    Args:
        mixture: The data.
        augmentation: What varies from epoch to epoch.
        seed: The run's seed.
    """

    def __init__(self, mixture: Mixture, augmentation: AugmentConfig, seed: int) -> None:
        self._mixture, self._augmentation, self._seed = mixture, augmentation, seed

    def make(self, plan: Plan) -> Batch:
        """Return the batch of a plan.

        Raises:
            DataError: A shard cannot be read; it is named.
        """
        parts, places = [], []
        for dataset in np.unique(plan.dataset):
            mine = np.flatnonzero(plan.dataset == dataset)
            parts.append(self._part(int(dataset), plan.epoch[mine], plan.sequence[mine], plan.read[mine]))
            places.append(mine)
        if len(parts) == 1:
            return parts[0]
        return Batch.join(parts).pick(torch.from_numpy(np.argsort(np.concatenate(places))))

    def _part(self, dataset: int, epoch: np.ndarray, sequence: np.ndarray, read: np.ndarray) -> Batch:
        source, actions = self._mixture.sources[dataset], self._mixture.actions
        rows = source.gather(read, whole_shards=bool((epoch % EPOCHS_AN_ERA == 0).all()))
        rows, discount = augment(rows, self._augmentation, self._seed + dataset, epoch, sequence, actions)
        return batch_of(rows, discount, self._mixture.vocabulary, actions, self._augmentation.label or source.label)
