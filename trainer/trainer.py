"""The training loop: batches in, metrics and checkpoints out; it stops anywhere and goes on exactly."""

import threading
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from common.errors import DataError
from trainer.checkpoints.folder import newest
from trainer.checkpoints.saver import Saver, load
from trainer.config import TrainConfig
from trainer.data.cut import cut
from trainer.data.mixture import Mixture
from trainer.data.stream import Eras, Stream
from trainer.early import EarlyStopping
from trainer.guard import Guard
from trainer.interval import Interval
from trainer.loss import DTYPES, HEADS, Objective
from trainer.on_policy import OnPolicy
from trainer.optim import Optimiser
from trainer.parallel import Ranks
from trainer.passes import Passes, detached
from trainer.signals import stopping
from trainer.telemetry import Telemetry
from trainer.tokens import Batch
from trainer.usage import Usage
from trainer.validation import Validation

__all__ = ["Trainer", "detached"]


class Trainer:
    """One rank's part of a run.

    Args:
        config: The run's settings.
        objective: With initial weights, sharded.
        mixture: The data.
        run: The run's directory; it exists.
        ranks: Everyone.
        eras: Shards of the datasets when the run began.
    """

    def __init__(
        self, config: TrainConfig, objective: Objective, mixture: Mixture, run: Path, ranks: Ranks, eras: Eras
    ) -> None:
        self.config, self.run, self.ranks, self.mixture = config, run, ranks, mixture
        self.objective = objective
        self.optimiser = Optimiser(objective, config.optimiser, config.steps, config.model.width)
        self.telemetry = Telemetry(run, config, ranks.first)
        self.stream = Stream(
            mixture, config.augment, config.seed, config.batch, ranks.rank, ranks.count, eras, self._tell
        )
        self.validation = Validation(mixture, self.stream, config, ranks)
        self.on_policy = OnPolicy(config, mixture, ranks)
        self.saver = Saver(run, ranks, config.checkpoint, self._told)
        self.guard, self.early = Guard(config.guard), EarlyStopping(config.validation)
        self.passes = Passes(objective, config, mixture.length, ranks.device)
        self.usage = Usage(ranks.device)
        self.updates = config.updates_per_batch(mixture.length)
        self.step = 0
        self._weights = config.loss.vector().tolist()
        self._last = torch.zeros(len(HEADS), dtype=torch.float64)
        """This rank's share of the last steps' losses, not added over the ranks yet."""
        self._since = Interval(mixture.length)
        self._positions = torch.zeros(2 * len(HEADS), len(self._since.bins), dtype=torch.float64)
        """This rank's loss sums and counts by position, likewise."""
        self._stop = threading.Event()

    def fit(self) -> bool:
        """Train to the last step; return whether the run is finished (False: told to stop, and saved).

        Raises:
            DataError: The data cannot be read, training went wrong, or no checkpoint is whole.
        """
        try:
            with stopping(self._stop), self.ranks.naming_the_lost():
                self._resume()
                if not self._finished:
                    self._train()
                self.saver.close()
        except DataError as error:
            self.telemetry.write("event", self.step, message=f"failed: {error}")
            raise
        self.telemetry.close(self._finished)
        return self._finished

    @property
    def _finished(self) -> bool:
        return self.step >= self.config.steps or self.early.stopped

    @property
    def _sample(self) -> int:
        """Samples seen; batches are taken whole."""
        return -(-self.step // self.updates) * self.config.batch

    def _train(self) -> None:
        batches = -(-(self.config.steps - self.step) // self.updates)
        first = self._sample
        self._since.begin(self.stream.waited)
        for own in self.stream.batches(first, first + batches * self.config.batch, self._stop.is_set):
            before = self.step
            if not self._learn(own):
                break
            with self._since.paused():
                self._between(before)
            if self._finished:
                break
        if self._finished:
            why = f": {self.early.reason}" if self.early.stopped else ""
            self.telemetry.event(self.step, f"finished: {self.step} steps{why}")
            return
        self._save()
        self.telemetry.event(self.step, f"told to stop: saved at step {self.step}; the same command goes on from here")

    def _learn(self, own: Batch | None) -> bool:
        """Take the optimiser steps of one global batch; return False where any rank was told to stop."""
        ready = self._ready(own)
        counts = self._count(ready)
        if counts is None or ready is None:
            return False
        state: Any = None
        for update in range(self.updates):
            if self.step == self.config.steps:
                break
            losses, positions, state = self.passes.run(ready, update, counts[update], state)
            self._update(losses, positions)
            self.step += 1
            self._log()
        return True

    def _ready(self, own: Batch | None) -> Batch | None:
        """Return the batch, the model's own play in it where it is due."""
        ready, sample = own, self._sample
        if self.on_policy.due(self.step, sample // self.config.batch):
            self.on_policy.take(self.objective)
            if ready is not None:
                ready = self.on_policy.mixed(ready, sample + self.stream.first)
        rows = self.config.cut.rows
        if ready is not None and rows is not None and self.step < self.config.cut.until:
            ready = cut(ready, rows, self.objective.model.config)
        return ready

    def _count(self, batch: Batch | None) -> Tensor | None:
        """Return the global batch's valid targets per update and head (U, 4); None if any rank was told to stop.

        The one small reduction before a batch also carries the wish to stop and the last step's losses.
        """
        heads = len(HEADS)
        own = torch.zeros(self.updates, heads, dtype=torch.float64) if batch is None else self.passes.counts(batch)
        stop = torch.tensor([float(self._stop.is_set())], dtype=torch.float64)
        vector = self.ranks.sum(torch.cat([own.flatten(), self._last, stop]))
        self._since.add_losses(vector[-heads - 1 : -1])
        self._last = torch.zeros_like(self._last)
        return None if vector[-1] > 0 or batch is None else vector[: -heads - 1].view(self.updates, heads)

    def _update(self, losses: Tensor, positions: Tensor) -> None:
        """Update the parameters with the gradients there are, unless they are not to be trusted."""
        norm = self.optimiser.norm()
        fault = self.guard.judge(norm, self.step)
        if fault is None:
            self.optimiser.apply(self.step, norm)
            self._last, self._positions = self._last + losses, self._positions + positions
            self._since.add_step(norm)
        else:
            self.optimiser.forget()
            self._since.add_step(None)
            self.telemetry.event(self.step, fault)
        self.saver.poll()

    def _settle(self) -> None:
        """Add what lies about over the ranks, before its turn comes with the next batch."""
        heads, bins = len(HEADS), self._positions.shape[1]
        vector = self.ranks.sum(torch.cat([self._last, self._positions.flatten()]))
        self._since.add_losses(vector[:heads])
        self._since.add_positions(vector[heads:].view(2 * heads, bins))
        self._last, self._positions = torch.zeros_like(self._last), torch.zeros_like(self._positions)

    def _log(self) -> None:
        if self.step % self.config.log_every and self.step != self.config.steps:
            return
        self._settle()
        share, seconds = self._since.waits(self.stream.waited)
        rows = self.config.batch * self.mixture.length / self.updates
        values = self._since.values(self._weights) | {
            "learning_rate": self.optimiser.learning_rate(self.step - 1),
            "environment_steps": round(self.step * rows),
            "steps_per_second": rows / seconds,
            "loader_wait": share,
            **self.usage.values(),
        }
        self.telemetry.write("train", self.step, **values, by_position=self._since.by_position())
        self.telemetry.progress(self.step, {**values, "seconds_per_step": seconds})
        self._since = Interval(self.mixture.length)
        self._since.begin(self.stream.waited)

    def _between(self, before: int) -> None:
        """Validate and save where steps ``before`` + 1 to now say so."""
        due = lambda every: self.step // every > before // every  # noqa: E731
        better = False
        if self.step >= self.config.steps or due(self.config.validation.every):
            better = self._validate()
        if self._finished or better or due(self.config.checkpoint.every):
            self._save(better)

    def _validate(self) -> bool:
        """Validate; return whether the policy loss on the unseen set without oracles is the lowest so far."""
        self.objective.eval()
        lines = self.validation.run(self.objective)
        self.objective.train()
        for line in lines.values():
            self.telemetry.write("validation", self.step, **line)
        self.telemetry.say(self.validation.sentence(lines))
        return self.early.note(self.step, self.validation.gauge(lines))

    def _state(self) -> dict[str, Any]:
        model = {name.removeprefix("model."): p for name, p in self.objective.named_parameters()}
        return {"model": model, "optimiser": self.optimiser.state()}

    def _save(self, best: bool = False) -> None:
        self._settle()
        progress = {
            "step": self.step,
            "sample": self._sample,
            "seed": self.config.seed,
            "eras": self.stream.eras,
            "interval": self._since.state(),
            "guard": self.guard.state(),
            "early": self.early.state(),
            "best": best,
        }
        self.saver.save(self._state(), progress, best)

    def _told(self, folder: Path) -> None:
        """Take note of a checkpoint that is durable."""
        step = int(folder.name.removeprefix("step-"))
        self.telemetry.write("checkpoint", step, path=str(folder.relative_to(self.run)))

    def _tell(self, line: str) -> None:
        """Tell what the stream waits for; every rank but the first to the console only."""
        if self.ranks.first:
            self.telemetry.event(self.step, line)
        else:
            print(f"rank {self.ranks.rank}: {line}", flush=True)

    def _resume(self) -> None:
        notes: list[str] = []
        found = newest(self.run, notes.append) if self.ranks.first else None
        found = self.ranks.same(found)
        if found is not None:
            folder, progress = found
            load(folder, self._state())
            self.step = progress["step"]
            self._since.restore(progress["interval"])
            self.guard.restore(progress["guard"])
            self.early.restore(progress["early"])
            self.stream.begin_eras(progress["eras"])
        self.telemetry.forget_after(self.step)
        for note in notes:
            self.telemetry.event(self.step, note)
        if found is not None and self._finished:
            self.telemetry.say(f"already finished: {self.step} steps")
            return
        self._include_new()
        if found is not None:
            self.telemetry.event(self.step, f"resumed at step {self.step} of {self.config.steps}")
        else:
            self.telemetry.event(0, f"started: {self.config.steps} steps on {self.ranks.count} ranks")
        for line in self.objective.model.programs(DTYPES[self.config.precision]):
            self.telemetry.event(self.step, line)

    def _include_new(self) -> None:
        """Take shards in that a dataset has gained since the run began, where the settings say so."""
        now, known = self.mixture.shards, self.stream.eras[-1][1]
        if now == known:
            return
        grown = f"datasets have grown from {list(known)} to {list(now)} shards"
        if self.config.data.extended == "include":
            self.stream.begin_eras([*self.stream.eras, (self._sample, now)])
            self.telemetry.event(self.step, f"{grown}: all are gone through anew from here (data.extended=include)")
        else:
            self.telemetry.event(self.step, f"{grown}: the new ones are left out (data.extended=ignore)")
