"""The training loop: batches in, metrics and checkpoints out; it stops anywhere and goes on exactly."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from common.errors import DataError
from trainer import checkpoint
from trainer.config import TrainConfig
from trainer.loss import HEADS, Objective, share_of_loss
from trainer.model import Model
from trainer.optim import Optimiser
from trainer.parallel import Ranks, shard, sync_gradients
from trainer.source import Source
from trainer.stream import Stream
from trainer.telemetry import Telemetry
from trainer.tokens import Batch
from trainer.validation import Validation

GRACE = 5.0
"""Seconds in which signals count as one: Ctrl-C reaches every rank, and torchrun passes it on to them as well."""


class Trainer:
    """One rank's part of a run.

    Args:
        config: The run's settings.
        model: With its initial weights; sharded in place.
        source: The data.
        run: The run's directory; it exists.
        ranks: Everyone.
    """

    def __init__(self, config: TrainConfig, model: Model, source: Source, run: Path, ranks: Ranks) -> None:
        self.config, self.run, self.ranks = config, run, ranks
        self.objective = Objective(model.to(ranks.device))
        shard(self.objective, ranks)
        self.optimiser = Optimiser(self.objective, config.optimiser, config.steps)
        self.stream = Stream(source, config.stream, config.augment, config.seed, config.batch, ranks.rank, ranks.count)
        self.validation = Validation(source, config, ranks)
        self.telemetry = Telemetry(run, config.steps, ranks.first, config.tensorboard)
        self.length = source.length
        self.step = 0
        self._weights = config.loss.vector(ranks.device)
        self._last = torch.zeros(len(HEADS), dtype=torch.float64)
        """This rank's share of the last step's losses, not added over the ranks yet."""
        self._since = _Interval()
        self._stop = threading.Event()

    def fit(self) -> bool:
        """Train to the last step; return whether it was reached (False: told to stop, and saved).

        Raises:
            DataError: The data cannot be read, a loss is not finite, or no checkpoint is whole.
        """
        with _signals(self._stop):
            self._resume()
            if self.step < self.config.steps:
                self._train()
        self.telemetry.close()
        return self.step >= self.config.steps

    def _train(self) -> None:
        every, save_every = self.config.validation.every, self.config.checkpoint.every
        batch, end = self.config.batch, self.config.steps * self.config.batch
        self._since.begin(self.stream.waited)
        for own in self.stream.batches(self.step * batch, end):
            ready = own.to(self.ranks.device)
            counts = self._count(ready)
            if counts is None:
                break
            norm = self._update(ready, counts)
            self.step += 1
            self._since.add_step(norm, self.optimiser.rate(self.step - 1))
            last = self.step == self.config.steps
            if last or self.step % self.config.log_every == 0:
                self._log()
            with self._since.paused():
                if last or self.step % every == 0:
                    self._validate()
                if last or self.step % save_every == 0:
                    self._save()
        if self.step < self.config.steps:
            self._save()
            self.telemetry.event(
                self.step, f"told to stop: saved at step {self.step}; the same command goes on from here"
            )
        else:
            self.telemetry.event(self.step, f"finished: {self.step} steps")

    def _count(self, batch: Batch) -> torch.Tensor | None:
        """Return the global batch's valid targets per head (4,); None if any rank was told to stop.

        The one small reduction before a step also carries the wish to stop and the last step's losses.
        """
        vector = torch.cat([batch.targets.counts().cpu(), self._last, torch.tensor([float(self._stop.is_set())])])
        vector = self.ranks.sum(vector.double())
        counts, losses, stop = vector[:4], vector[4:8], vector[8]
        self._since.add_losses(losses)
        self._last = torch.zeros_like(self._last)
        return None if stop > 0 else counts

    def _update(self, batch: Batch, counts: torch.Tensor) -> float:
        """Take one optimiser step; return the gradient's norm."""
        piece = self.config.segment or self.length
        state: Any = None
        for first in range(0, self.length, piece):
            final = first + piece >= self.length
            sync_gradients(self.objective, final)
            part = batch if piece >= self.length else batch.segment(first, first + piece)
            outcome, state = self.objective(part, state)
            heads = share_of_loss(outcome, counts.to(self.ranks.device))
            (heads * self._weights).sum().backward()
            self._last += heads.detach().cpu().double()
            state = None if final else detached(state)
        norm = self.optimiser.step(self.step)
        if norm != norm or norm == float("inf"):
            raise DataError(
                f"the gradient's norm at step {self.step} is {norm}: nothing was updated; "
                f"the last checkpoint is of an earlier step; lower the learning rates or look at the data"
            )
        return norm

    def _settle(self) -> None:
        """Add the last step's losses over the ranks, before its turn comes with the next step."""
        self._since.add_losses(self.ranks.sum(self._last))
        self._last = torch.zeros_like(self._last)

    def _log(self) -> None:
        self._settle()
        values = self._since.values(self._weights.tolist())
        share, seconds = self._since.waits(self.stream.waited)
        rows = self.config.batch * self.length
        rates = self.config.optimiser
        values |= {
            "learning_rate": rates.muon_learning_rate * self.optimiser.rate(self.step - 1),
            "environment_steps": self.step * rows,
            "steps_per_second": rows / seconds,
            "loader_wait": share,
        }
        self.telemetry.write("train", self.step, **values)
        self.telemetry.progress(self.step, {**values, "seconds_per_step": seconds})
        self._since = _Interval()
        self._since.begin(self.stream.waited)

    def _validate(self) -> None:
        self.objective.eval()
        lines = self.validation.run(self.objective)
        self.objective.train()
        for line in lines:
            self.telemetry.write("validation", self.step, **line)
        unseen, honest = lines
        self.telemetry.say(
            f"  unseen: policy {unseen['loss_policy']:.4f}, accuracy {unseen['accuracy']:.3f}; without oracles: policy "
            f"{honest['loss_policy']:.4f}, accuracy {honest['accuracy']:.3f}, in random contexts "
            f"{honest['accuracy_random_context']:.3f}"
        )

    def _state(self) -> dict[str, Any]:
        model = {name.removeprefix("model."): p for name, p in self.objective.named_parameters()}
        return {"model": model, "optimiser": self.optimiser.state()}

    def _save(self) -> None:
        self._settle()
        progress = {
            "step": self.step,
            "sample": self.step * self.config.batch,
            "seed": self.config.seed,
            "interval": self._since.state(),
        }
        folder = checkpoint.save(self.run, self.ranks, self._state(), progress, self.config.checkpoint.keep)
        self.telemetry.write("checkpoint", self.step, path=str(folder.relative_to(self.run)))

    def _resume(self) -> None:
        notes: list[str] = []
        found = checkpoint.newest(self.run, notes.append)
        self.ranks.barrier()
        if found is not None:
            folder, progress = found
            checkpoint.load(folder, self._state())
            self.step = progress["step"]
            self._since.restore(progress["interval"])
        self.telemetry.forget_after(self.step)
        for note in notes:
            self.telemetry.event(self.step, note)
        if found is not None and self.step >= self.config.steps:
            self.telemetry.say(f"already finished: {self.step} steps")
        elif found is not None:
            self.telemetry.event(self.step, f"resumed at step {self.step} of {self.config.steps}")
        else:
            self.telemetry.event(0, f"started: {self.config.steps} steps on {self.ranks.count} ranks")


class _Interval:
    """What happened since the last line of metrics."""

    def __init__(self) -> None:
        self._losses = torch.zeros(len(HEADS), dtype=torch.float64)
        self._norm, self._steps, self._timed = 0.0, 0, 0
        self._began, self._waited, self._away = 0.0, 0.0, 0.0

    def begin(self, waited: float) -> None:
        """Start the clock; ``waited``: the stream's seconds of waiting by now."""
        self._began, self._waited, self._away, self._timed = time.perf_counter(), waited, 0.0, 0

    def add_step(self, norm: float, rate: float) -> None:
        """Count a step."""
        self._norm, self._steps, self._timed = self._norm + norm, self._steps + 1, self._timed + 1

    def add_losses(self, losses: torch.Tensor) -> None:
        """Add a step's losses, of all ranks together."""
        self._losses += losses

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out the time of what is no training."""
        began = time.perf_counter()
        yield
        self._away += time.perf_counter() - began

    def values(self, weights: list[float]) -> dict[str, Any]:
        """Return the mean losses and gradient norm per step."""
        heads = (self._losses / max(1, self._steps)).tolist()
        loss = sum(weight * value for weight, value in zip(weights, heads, strict=True))
        named = {f"loss_{head}": value for head, value in zip(HEADS, heads, strict=True)}
        return {"loss": loss, **named, "gradient_norm": self._norm / max(1, self._steps)}

    def waits(self, waited: float) -> tuple[float, float]:
        """Return the share of the time spent waiting for data, and the seconds a step took."""
        seconds = max(1e-9, time.perf_counter() - self._began - self._away)
        return (waited - self._waited) / seconds, seconds / max(1, self._timed)

    def state(self) -> dict[str, Any]:
        """Return the sums, for a checkpoint."""
        return {"losses": self._losses.tolist(), "norm": self._norm, "steps": self._steps}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the sums of a checkpoint."""
        self._losses = torch.tensor(state["losses"], dtype=torch.float64)
        self._norm, self._steps = state["norm"], state["steps"]


def detached(state: Any) -> Any:
    """Return a state that carries no gradient."""
    return tuple(type(part)(*(x.detach() if isinstance(x, torch.Tensor) else x for x in part)) for part in state)


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """Turn SIGTERM and SIGINT into a wish to stop; another one, some seconds later, ends at once."""
    first = 0.0

    def note(number: int, frame: Any) -> None:
        nonlocal first
        if not stop.is_set():
            first = time.monotonic()
            stop.set()
        elif time.monotonic() - first > GRACE:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
