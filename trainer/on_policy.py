"""On-policy sequences: the model itself acts in fresh worlds, the oracle labels what it did; beside recorded ones.

What they are depends on (seed, step) and on how the batch is spread over ranks: a run resumes exactly at the same
number of ranks, and at another goes on with other worlds' play.
"""

from typing import Any

import numpy as np
import torch
from torch.distributed.tensor import DTensor

from common.errors import UsageError
from common.seeding import Purpose, derive_seed
from common.synthesis.generate import Synthesis
from common.worlds.batch import WorldBatch
from trainer.acting import AgentSettings
from trainer.config import TrainConfig
from trainer.data.augment import plain_discount
from trainer.data.mixture import Mixture
from trainer.data.relabel import relabelled
from trainer.folding import Folding
from trainer.loss import Objective
from trainer.model import Model
from trainer.parallel import Ranks
from trainer.tokens import Batch, Rows, batch_of

FRESH = 1 << 40
"""Worlds from this index of the training ones on; no dataset has so many sequences."""


class OnPolicy:
    """Replaces some of a batch's sequences by the model's own play.

    Args:
        config: The run's settings.
        mixture: The data; worlds come from the first dataset's recipe.
        ranks: Everyone.

    Raises:
        UsageError: The recipe hides states, or the data have none.
    """

    def __init__(self, config: TrainConfig, mixture: Mixture, ranks: Ranks) -> None:
        self._config, self._how, self._mixture, self._ranks = config, config.on_policy, mixture, ranks
        self._synthesis: Synthesis | None = None
        self._model: Model | None = None
        self._batches = 0
        check_recipe(config, mixture)
        if self._how.share > 0:
            self._synthesis = Synthesis(mixture.sources[0].recipe, Purpose.TRAIN)

    def due(self, step: int, batch: int) -> bool:
        """Return whether the global batch with number ``batch``, at optimiser step ``step``, has such sequences."""
        return self._synthesis is not None and step >= self._how.begin and batch % self._how.every == 0

    @torch.no_grad()
    def take(self, objective: Objective) -> None:
        """Copy the model as it is now; all ranks together."""
        if self._model is None:
            self._model = Model(objective.model.config, device=self._ranks.device).eval()
        mine = dict(self._model.named_parameters())
        for name, parameter in objective.model.named_parameters():
            mine[name].copy_(parameter.full_tensor() if isinstance(parameter, DTensor) else parameter)

    def mixed(self, batch: Batch, first: int) -> Batch:
        """Return the batch with its first sequences replaced.

        Args:
            batch: This rank's part.
            first: Number of its first sample: which worlds are drawn.
        """
        count = int(self._how.share * len(batch.action))
        if count == 0:
            return batch
        discount = self._discount(first)
        rows = self.play(first, -(-count // self._how.copies))
        if self._how.copies > 1:
            random = np.random.default_rng([self._config.seed, FRESH, first])
            others = [relabelled(rows, self._mixture.actions, random) for _ in range(self._how.copies - 1)]
            rows = Rows.join([rows, *others]).pick(slice(count))
        played = batch_of(
            rows, plain_discount(count, (discount,)), self._mixture.vocabulary, self._mixture.actions, "oracle"
        )
        return played if count == len(batch.action) else Batch.join([played, batch.pick(slice(count, None))])

    def play(self, first: int, count: int) -> Rows:
        """Return ``count`` sequences of the model's play in the worlds of samples ``first`` on."""
        from trainer.agent import Agent

        assert self._model is not None and self._synthesis is not None
        numbers = [FRESH + first + offset for offset in range(count)]
        recipe, length = self._synthesis.recipe, self._mixture.length
        room = self._synthesis.room(count)
        # a recorded sequence of each world comes with its labels and with how its actions are folded
        catalog = [self._synthesis.write(number, room, place) for place, number in enumerate(numbers)]
        oracle = room.arrays()["oracle"]
        worlds = [self._synthesis.world(number) for number in numbers]
        agent = Agent(self._model, self._acting(first), record=True)
        agent.reset(count, np.array([world.n_actions for world in worlds]))
        agent.folding = Folding(np.array([row["action_map"] for row in catalog]))
        batch = WorldBatch(worlds, [derive_seed(recipe.seed, Purpose.TRAIN, 2 * FRESH + number) for number in numbers])
        for _ in range(length):
            agent.observe(*batch.step(agent.act(batch.observation)))
        return _rows([agent.rows(place) for place in range(count)], oracle, length)

    def _discount(self, first: int) -> float:
        """Return the wanted discount of the play in a batch: the trained ones in turn, batch after batch."""
        wanted = self._config.augment.discounts
        return wanted[first // (self._config.batch * self._how.every) % len(wanted)]

    def _acting(self, first: int) -> AgentSettings:
        """Return how the model acts: as it will be played, unless told otherwise."""
        changed: dict[str, Any] = {
            "seed": derive_seed(self._config.seed, Purpose.OTHER, FRESH + first) >> 2,
            "discount": self._discount(first),
            "views": 1,
        }
        if self._how.temperature is not None:
            changed |= {"temperature": self._how.temperature, "temperature_steps": 0}
        if self._how.tag is not None:
            changed["own_tag"] = self._how.tag
        return self._config.acting.model_copy(update=changed)


def check_recipe(config: TrainConfig, mixture: Mixture) -> None:
    """Refuse on-policy sequences where they cannot be labelled.

    Raises:
        UsageError: The recipe hides states, or the data have none.
    """
    if config.on_policy.share > 0 and mixture.sources[0].recipe.hides_state:
        raise UsageError("on_policy needs worlds whose states can be seen; set on_policy.share=0 for this recipe")


def _rows(played: list[dict[str, Any]], oracle: np.ndarray, length: int) -> Rows:
    """Return the first ``length`` rows of each sequence, breaks among them."""
    columns = {name: np.stack([rows[name][:length] for rows in played]) for name in played[0]}
    return Rows(**columns, oracle=oracle)
