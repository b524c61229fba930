"""Losses and accuracies on worlds never trained on, generated once from the data recipe.

Two sets: the recipe's mixture, and the same without oracle behaviours, where copying a tagged expert cannot pass for
learning. The greedy action's accuracy in contexts of random actions is the honest gauge and goes with the second.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from common.agents.kinds import behaviour
from common.seeding import Purpose
from common.synthesis.generate import generate
from trainer.augment import plain_discount
from trainer.config import TrainConfig
from trainer.loss import HEADS, Objective, position_bins
from trainer.parallel import Ranks
from trainer.source import Source
from trainer.tokens import Rows, batch_of

UNSEEN, WITHOUT_ORACLE, RANDOM = "unseen", "unseen-without-oracle", "random"


class Validation:
    """Fixed sets of unseen sequences; each rank holds its share.

    Raises:
        UsageError: The data recipe has no behaviour without an oracle.
    """

    def __init__(self, source: Source, config: TrainConfig, ranks: Ranks) -> None:
        self._config, self._source, self._ranks = config, source, ranks
        recipe = source.recipe
        mixtures = {
            UNSEEN: recipe,
            WITHOUT_ORACLE: recipe.without_oracle(),
            RANDOM: recipe.with_behaviours([behaviour("random")]),
        }
        self._mine = np.array_split(np.arange(config.validation.sequences), ranks.count)[ranks.rank]
        self._sets = {name: self._generate(mixture) for name, mixture in mixtures.items()}
        self._bins = position_bins(source.length)

    def _generate(self, recipe: Any) -> Rows | None:
        if not len(self._mine):
            return None
        made = generate(recipe, int(self._mine[0]), len(self._mine), Purpose.VALIDATE)
        return Rows.of(made.arrays())

    def run(self, objective: Objective) -> list[dict[str, Any]]:
        """Return the metrics of each set; every rank gets the same."""
        lines = []
        random_accuracy = self._measure(objective, RANDOM)[1]
        for name in (UNSEEN, WITHOUT_ORACLE):
            heads, accuracy, by_position = self._measure(objective, name)
            weights = self._config.loss.vector().tolist()
            loss = sum(weight * value for weight, value in zip(weights, heads, strict=True))
            line: dict[str, Any] = {"set": name, "loss": loss}
            line |= {f"loss_{head}": value for head, value in zip(HEADS, heads, strict=True)}
            line["accuracy"] = accuracy
            if name == WITHOUT_ORACLE:
                line["accuracy_random_context"] = random_accuracy
            line["by_position"] = by_position
            lines.append(line)
        return lines

    @torch.no_grad()
    def _measure(self, objective: Objective, name: str) -> tuple[list[float], float, list[dict[str, Any]]]:
        """Return the mean loss per head, the greedy action's accuracy, and the policy loss by position."""
        length = self._source.length
        # rows: four heads' loss sums and counts, correct actions; columns: positions
        sums = torch.zeros(9, length, dtype=torch.float64)
        rows = self._sets[name]
        size, label = self._config.validation.batch, "oracle"
        passes = math.ceil(len(self._mine) / size)
        most = math.ceil(math.ceil(self._config.validation.sequences / self._ranks.count) / size)
        for number in range(most):
            # every rank passes equally often: a sharded forward is a collective
            part = slice(number * size, (number + 1) * size) if number < passes else slice(0, 1)
            if rows is None:
                rows = self._stand_in()
            some = rows.pick(part)
            discount = plain_discount(len(some.observation), self._config.augment.discounts)
            batch = batch_of(some, discount, self._source.vocabulary, self._source.actions, label)
            outcome, _ = objective(batch.to(self._ranks.device))
            if number < passes:
                sums += _by_position(outcome, batch.targets)
        self._ranks.sum(sums)
        losses, counts, correct = sums[:4], sums[4:8], sums[8]
        heads = (losses.sum(1) / counts.sum(1).clamp(min=1)).tolist()
        by_position = [
            {"from": a, "to": b, "loss_policy": float(losses[0, a:b].sum() / counts[0, a:b].sum().clamp(min=1))}
            for a, b in self._bins
        ]
        return heads, float(correct.sum() / counts[0].sum().clamp(min=1)), by_position

    def _stand_in(self) -> Rows:
        """Return a sequence for a rank without any; its numbers are not counted."""
        made = generate(self._source.recipe, 0, 1, Purpose.VALIDATE)
        return Rows.of(made.arrays())


def _by_position(outcome: Any, targets: Any) -> Tensor:
    masks = (targets.policy_mask_BT, targets.observation_mask_BT, targets.reward_mask_BT, targets.break_mask_BT)
    values = [*outcome[:4], *masks, outcome.correct_BT]
    return torch.stack([value.double().sum(dim=0).cpu() for value in values])
