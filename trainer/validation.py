"""Losses and accuracies on worlds never trained on, generated once from the data recipe, and on a few seen sequences.

Two unseen sets: the recipe's mixture, and the same without oracle behaviours, where copying a tagged expert cannot pass
for learning. The greedy action's accuracy in contexts of random actions is the honest gauge and goes with the second.
The seen set is the run's first sequences: where its loss falls away from the unseen ones', worlds are memorised.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from common.agents.kinds import behaviour
from common.errors import UsageError
from common.seeding import Purpose
from common.synthesis.generate import generate
from common.synthesis.recipe import load as load_recipe
from trainer.config import TrainConfig
from trainer.data.augment import plain, plain_discount
from trainer.data.mixture import Mixture
from trainer.data.order import Shares
from trainer.data.stream import Stream
from trainer.interval import mean_by_position
from trainer.loss import HEADS, Objective, bin_sums, position_bins
from trainer.parallel import Ranks
from trainer.passes import detached
from trainer.tokens import Rows, batch_of

UNSEEN, WITHOUT_ORACLE, RANDOM, SEEN = "unseen", "unseen-without-oracle", "random", "seen"
Line = dict[str, Any]


class Measured(NamedTuple):
    """What a pass over a set tells."""

    heads: list[float]
    accuracy: float
    by_position: list[dict[str, float]]


class Validation:
    """Fixed sets of sequences; each rank holds its share.

    Args:
        mixture: The data; the unseen sets share its weights.
        stream: Whose first samples are the seen set.
        config: The run's settings.
        ranks: Everyone.

    Raises:
        UsageError: A data recipe has no behaviour without an oracle, or there is no recipe.
    """

    def __init__(self, mixture: Mixture, stream: Stream, config: TrainConfig, ranks: Ranks) -> None:
        self._config, self._mixture, self._stream, self._ranks = config, mixture, stream, ranks
        self._bins = position_bins(mixture.length)
        count = config.validation.sequences
        which, _ = Shares(mixture.weights, config.seed).split(np.arange(count))
        mine = np.array_split(np.arange(count), ranks.count)[ranks.rank]
        self._mine = {dataset: mine[which[mine] == dataset] for dataset in range(len(mixture.sources))}
        self._recipes = recipes_of(config, mixture)
        self._sets = {name: self._chunks(recipes) for name, recipes in self._recipes.items()}

    def _chunks(self, recipes: list[Any]) -> list[Rows]:
        """Return this rank's sequences of the recipes, as many together as are read at once."""
        size, chunks = self._config.validation.batch, []
        for dataset, numbers in self._mine.items():
            for first in range(0, len(numbers), size):
                part = numbers[first : first + size]
                made = [generate(recipes[dataset], int(number), 1, Purpose.VALIDATE).arrays() for number in part]
                chunks.append(Rows.join([Rows.of(arrays) for arrays in made]))
        return chunks

    def _seen(self) -> list[Rows]:
        """Return this rank's share of the run's first sequences, as stored."""
        size, chunks = self._config.validation.batch, []
        count = self._config.validation.sequences
        mine = np.array_split(np.arange(count), self._ranks.count)[self._ranks.rank]
        for first in range(0, len(mine), size):
            plan = self._stream.plan(mine[first : first + size])
            for dataset in np.unique(plan.dataset):
                numbers = plan.read[plan.dataset == dataset]
                chunks.append(self._mixture.sources[dataset].gather(numbers, whole_shards=False))
        return chunks

    def run(self, objective: Objective) -> dict[str, Line]:
        """Return a line of metrics for each set; every rank gets the same."""
        if SEEN not in self._sets:
            self._sets[SEEN] = self._seen()
        weights = self._config.loss.vector().tolist()
        random = self._measure(objective, RANDOM)
        lines = {}
        for name in (UNSEEN, WITHOUT_ORACLE, SEEN):
            measured = self._measure(objective, name)
            loss = sum(weight * value for weight, value in zip(weights, measured.heads, strict=True))
            line: Line = {"set": name, "loss": loss}
            line |= {f"loss_{head}": value for head, value in zip(HEADS, measured.heads, strict=True)}
            line["accuracy"] = measured.accuracy
            if name == WITHOUT_ORACLE:
                line["accuracy_random_context"] = random.accuracy
            lines[name] = line | {"by_position": measured.by_position}
        return lines

    def gauge(self, lines: dict[str, Line]) -> float:
        """Return what models are chosen by: the policy loss on the unseen set without oracles."""
        return float(lines[WITHOUT_ORACLE]["loss_policy"])

    def sentence(self, lines: dict[str, Line]) -> str:
        """Return the lines in words."""
        unseen, honest, seen = lines[UNSEEN], lines[WITHOUT_ORACLE], lines[SEEN]
        return (
            f"  unseen: policy {unseen['loss_policy']:.4f}, accuracy {unseen['accuracy']:.3f}; without oracles: policy "
            f"{honest['loss_policy']:.4f}, accuracy {honest['accuracy']:.3f}, in random contexts "
            f"{honest['accuracy_random_context']:.3f}; seen: policy {seen['loss_policy']:.4f}"
        )

    @torch.no_grad()
    def _measure(self, objective: Objective, name: str) -> Measured:
        chunks = self._sets[name]
        # every head's loss sums and counts, correct actions, by position
        heads = len(HEADS)
        sums = torch.zeros(2 * heads + 1, self._mixture.length, dtype=torch.float64)
        for number in range(self._ranks.largest(len(chunks))):
            # every rank passes equally often: a sharded forward is a collective
            own = number < len(chunks)
            rows = chunks[number] if own else self._stand_in()
            add = self._pass(objective, rows)
            if own:
                sums += add
        self._ranks.sum(sums)
        losses, counts, correct = sums[:heads], sums[heads:-1], sums[-1]
        means = (losses.sum(1) / counts.sum(1).clamp(min=1)).tolist()
        accuracy = float(correct.sum() / counts[0].sum().clamp(min=1))
        return Measured(means, accuracy, mean_by_position(bin_sums(sums[:-1], self._bins), self._bins))

    def _pass(self, objective: Objective, rows: Rows) -> Tensor:
        """Return sums over sequences by position (2 H + 1, T), read in segments."""
        discount = plain_discount(len(rows.action), self._config.augment.discounts)
        rows = plain(rows, self._config.augment)
        batch = batch_of(rows, discount, self._mixture.vocabulary, self._mixture.actions, "oracle")
        length = self._mixture.length
        piece, state, parts = self._config.segment or length, None, []
        for first in range(0, length, piece):
            part = batch.segment(first, min(first + piece, length))
            outcome, state = objective(part.to(self._ranks.device), state)
            state = detached(state)
            correct = outcome.correct_BT.sum(dim=0, dtype=torch.float64)[None]
            parts.append(torch.cat([outcome.by_position(), part.targets.counts_by_position(), correct]).cpu())
        return torch.cat(parts, dim=1)

    def _stand_in(self) -> Rows:
        """Return a sequence for a rank that has none left; its numbers are not counted."""
        return Rows.of(generate(self._recipes[UNSEEN][0], 0, 1, Purpose.VALIDATE).arrays())


def recipes_of(config: TrainConfig, mixture: Mixture) -> dict[str, list[Any]]:
    """Return the recipes of each unseen set, one per dataset.

    Raises:
        UsageError: A data recipe has no behaviour without an oracle, there is no recipe, or it makes other sequences.
    """
    named = config.validation.recipe
    recipes = [
        load_recipe(named, [f"length={mixture.length}"]) if named else source.recipe for source in mixture.sources
    ]
    for recipe in recipes:
        for what in ("actions", "observation_tokens"):
            if getattr(recipe, what) != getattr(mixture, what):
                raise UsageError(
                    f"validation.recipe must make sequences like the data's, got {what} {getattr(recipe, what)} and "
                    f"{getattr(mixture, what)}; give a TOML file that says so"
                )
    return {
        UNSEEN: recipes,
        WITHOUT_ORACLE: [recipe.without_oracle() for recipe in recipes],
        RANDOM: [recipe.with_behaviours([behaviour("random")]) for recipe in recipes],
    }
