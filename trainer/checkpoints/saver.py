"""Saving and loading the training state, all ranks together; at once, or while training goes on."""

import shutil
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch.distributed as dist
import torch.distributed.checkpoint as dcp

from common.errors import DataError
from trainer.checkpoints import folder as folders
from trainer.checkpoints.safe import SafeReader, TensorPlanner
from trainer.config import CheckpointConfig
from trainer.parallel import Ranks


class Saver:
    """Writes checkpoints, one at a time.

    Args:
        run: The run's directory.
        ranks: Everyone takes part; the first rank writes marker and pointers.
        config: How many stay, and whether writing waits.
        told: Called on every rank with each checkpoint's folder once it is durable.
    """

    def __init__(self, run: Path, ranks: Ranks, config: CheckpointConfig, told: Callable[[Path], None]) -> None:
        self._run, self._ranks, self._config, self._told = run, ranks, config, told
        self._group: Any = None
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._pending: tuple[Path, Future[None]] | None = None

    def save(self, state: dict[str, Any], progress: dict[str, Any], best: bool = False) -> None:
        """Write a checkpoint; on return it is durable, or with ``asynchronous`` copied and on its way.

        Args:
            state: Nested dict of tensors, sharded or whole.
            progress: Plain values, ``step`` among them, kept in the marker.
            best: ``best`` shall point to it.
        """
        self.wait()
        folder = folders.folder_of(self._run, progress["step"])
        if self._ranks.first:
            # left over from an attempt that never committed, or damaged
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        self._ranks.barrier()
        if self._config.asynchronous:
            if self._group is None:
                # collectives of the writing thread must not mix with those of training
                self._group = dist.new_group(backend="gloo")
                # what is told of this thread's warnings cannot be kept to this thread
                warnings.filterwarnings("ignore", module=r"torch\.distributed")
            with _quiet():
                written = dcp.async_save(state, checkpoint_id=str(folder), process_group=self._group)
            self._pending = folder, self._thread.submit(self._finish, written, folder, progress, best)
            return
        with _quiet():
            dcp.save(state, checkpoint_id=str(folder))
        self._ranks.barrier()
        self._commit(folder, progress, best)
        self._ranks.barrier()
        self._told(folder)

    def poll(self) -> None:
        """Take note of a checkpoint that has become durable.

        Raises:
            DataError: It could not be written.
        """
        if self._pending is not None and self._pending[1].done():
            self.wait()

    def wait(self) -> None:
        """Return when nothing is being written. Errors as of ``poll``."""
        if self._pending is None:
            return
        (folder, done), self._pending = self._pending, None
        try:
            done.result()
        except Exception as error:
            raise DataError(f"checkpoint {folder} could not be written: {error}; the one before stays") from error
        self._told(folder)

    def close(self) -> None:
        """Wait, and end the thread."""
        self.wait()
        self._thread.shutdown()

    def _finish(self, written: Any, folder: Path, progress: dict[str, Any], best: bool) -> None:
        cast(Future[Any], written).result()
        # the coordinator's result comes after every rank's: its files are all there
        self._commit(folder, progress, best)

    def _commit(self, folder: Path, progress: dict[str, Any], best: bool) -> None:
        if not self._ranks.first:
            return
        folders.commit(self._run, folder, progress)
        if best:
            folders.write_durably(self._run / folders.BEST, folder.name + "\n")
        folders.prune(self._run, self._config.keep, self._config.keep_every)


def load(folder: Path, state: dict[str, Any], alone: bool = False) -> None:
    """Read a checkpoint into the tensors of ``state``, at any number of ranks.

    Args:
        folder: The checkpoint's.
        state: As it was saved; what it has beyond this is left alone.
        alone: Without a process group.

    Raises:
        DataError: A tensor is missing or of another shape, or the files hold anything but tensors.
    """
    try:
        with _quiet():
            dcp.load(state, storage_reader=SafeReader(folder), planner=TensorPlanner(), no_dist=alone)
    except DataError:
        raise
    except (dcp.api.CheckpointException, RuntimeError, ValueError, KeyError) as error:
        causes = getattr(error, "failures", None)
        cause = next(iter(causes.values()))[0] if causes else error
        raise DataError(f"checkpoint {folder} does not fit or is damaged: {cause}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep silent about DCP's own use of names that torch has deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", UserWarning)
        yield
