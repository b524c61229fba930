"""A dataset for other people's trainers: a map-style ``torch.utils.data.Dataset``, a sequence an item.

This project's own trainer reads through ``trainer.data`` instead, which orders, masks and resumes. In a ``DataLoader``
with workers give ``multiprocessing_context="spawn"``: the reader's threads do not survive a fork, and one is refused.

    loader = DataLoader(SequenceDataset("data/tiny"), batch_size=16, shuffle=True, num_workers=2,
                        multiprocessing_context="spawn")
"""

import operator
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from common.dataset import Dataset, open_dataset
from common.dataset.dataset import Rows
from common.errors import UsageError


class SequenceDataset(torch.utils.data.Dataset[dict[str, Tensor]]):
    """Sequences by number, as tensors; stored or virtual. Pickles as its URL, and opens anew elsewhere.

    An item has, L being the rows of a sequence and A its action ids:

    - ``observation``: int64 (L,), or (L, tokens) where an observation has several;
    - ``action``: int64 (L,), A at break rows;
    - ``reward``: float32 (L,), raw;
    - ``tag``: int64 (L,), ``common.dataset.schema.Tag``; unknown tags are not masked in;
    - ``target``: bool (L, A), the actions that are right here: all optimal ones, or, where the dataset's label is
      ``action``, the recorded one. All False where there is no label: at break rows;
    - ``sequence``: int64 (), its number in the dataset.
    """

    def __init__(
        self, data: str | Dataset, *, discount: float = 0.994, skip_holes: bool = False, overrides: Sequence[str] = ()
    ) -> None:
        """Open the data.

        Args:
            data: A dataset's URL, ``recipe:NAME``, or a dataset that is open already.
            discount: Of the oracle whose actions are right.
            skip_holes: Leave out the sequences of shards that were set aside, instead of refusing them.
            overrides: ``a.b=value`` settings of the recipe; only with ``recipe:``.

        Raises:
            UsageError: There is no such data, or no such discount in it.
            DataError: Shards are missing.
        """
        self.data = open_dataset(data, overrides) if isinstance(data, str) else data
        if discount not in self.data.discounts:
            known = ", ".join(map(str, self.data.discounts))
            raise UsageError(f"discount is one of the dataset's, {known}; got {discount}")
        self.discount = discount
        self.numbers = self.data.numbers(skip_holes=skip_holes)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return one sequence."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Tensor]]:
        """Return several sequences, read together: what a ``DataLoader`` asks a batch by."""
        numbers = self.numbers[[operator.index(index) for index in indices]]
        rows = self.data.gather(numbers)
        whole = {
            "observation": rows.observation.astype(np.int64),
            "action": rows.action.astype(np.int64),
            "reward": rows.reward,
            "tag": rows.tag.astype(np.int64),
            "target": self._targets(rows),
            "sequence": numbers,
        }
        tensors = {name: torch.from_numpy(array) for name, array in whole.items()}
        return [{name: tensor[place] for name, tensor in tensors.items()} for place in range(len(numbers))]

    def _targets(self, rows: Rows) -> np.ndarray:
        """Return which actions are right, bool (N, L, A)."""
        actions = np.arange(self.data.actions)
        if self.data.label == "action":
            return rows.action[..., None] == actions
        place = self.data.discounts.index(self.discount)
        state = rows.observation if rows.state is None else rows.state
        masks = np.take_along_axis(rows.oracle[:, place].astype(np.uint64), state.astype(np.int64), axis=1)
        right = (masks[..., None] >> actions.astype(np.uint64)) & np.uint64(1) == 1
        return right & (rows.action != self.data.actions)[..., None]
