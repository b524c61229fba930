"""Ranks: the process group under torchrun (or alone), and the sharding of a module over it."""

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from common.errors import DataError, UsageError

SETTLE = 2.0
"""Seconds until a process that was killed shows as dead."""


class Ranks:
    """This process among the others of the run."""

    def __init__(self, rank: int, count: int, device: torch.device, mesh: DeviceMesh) -> None:
        self.rank, self.count, self.device, self.mesh = rank, count, device, mesh
        self._peers: list[Any] = [None] * count
        dist.all_gather_object(self._peers, (socket.gethostname(), os.getpid()))

    @property
    def first(self) -> bool:
        """Whether this is the rank that writes and prints."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Return ``values`` added over all ranks, in place."""
        dist.all_reduce(values)
        return values

    def largest(self, value: int) -> int:
        """Return the largest of all ranks' numbers."""
        box = torch.tensor(value)
        dist.all_reduce(box, dist.ReduceOp.MAX)
        return int(box)

    def barrier(self) -> None:
        """Wait for the others."""
        dist.barrier()

    def same(self, value: Any) -> Any:
        """Return the first rank's ``value`` on every rank."""
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    @contextmanager
    def naming_the_lost(self) -> Iterator[None]:
        """Turn the error of a collective whose peer is gone into one that names the peer.

        Raises:
            DataError: A rank is gone; named where it ran on this host.
        """
        try:
            yield
        except (dist.DistError, RuntimeError) as error:
            if isinstance(error, DataError) or not _is_of_a_collective(error):
                raise
            raise DataError(
                f"{self._lost() or 'a rank of another host'} is gone, so rank {self.rank} ends too "
                f"({str(error).strip().splitlines()[0][:160]}); the same command, or torchrun's restart, goes on "
                "from the last checkpoint"
            ) from error

    def _lost(self) -> str:
        """Return the name of the ranks of this host that are gone."""
        deadline = time.monotonic() + SETTLE
        while True:
            here = socket.gethostname()
            gone = [
                f"rank {rank} (pid {pid} on {host})"
                for rank, (host, pid) in enumerate(self._peers)
                if host == here and rank != self.rank and not _lives(pid)
            ]
            if gone or time.monotonic() > deadline:
                return ", ".join(gone)
            time.sleep(0.05)


def _is_of_a_collective(error: BaseException) -> bool:
    text = str(error).lower()
    words = ("gloo", "nccl", "connection closed", "connection reset", "process group", "processgroup", "timed out")
    return isinstance(error, dist.DistError) or any(word in text for word in words)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def check_ranks(ranks: int, batch: int, shard_over: int | None) -> None:
    """Refuse a number of ranks that the settings do not allow.

    Raises:
        UsageError: The batch is too small, or ``parallel.shard_over`` does not divide the ranks.
    """
    if batch < ranks:
        raise UsageError(f"every rank needs a sequence: batch is {batch}, ranks are {ranks}; raise batch")
    if shard_over is not None and ranks % shard_over:
        raise UsageError(f"parallel.shard_over must divide the ranks, got {shard_over} and {ranks} ranks; change it")


def mesh_of(device: str, ranks: int, shard_over: int | None) -> DeviceMesh:
    """Return all ranks in a line, or (copies, ranks that share one) where fewer than all share the parameters."""
    if shard_over is None or shard_over == ranks:
        return init_device_mesh(device, (ranks,))
    return init_device_mesh(device, (ranks // shard_over, shard_over), mesh_dim_names=("copy", "shard"))


@contextmanager
def process_group(threads: int, timeout: float = 600.0, shard_over: int | None = None) -> Iterator[Ranks]:
    """Join the group that torchrun describes in the environment, or make one of a single rank; leave it at the end.

    Args:
        threads: CPU threads of this rank's operations; a constant of the run, results depend on it.
        timeout: Seconds after which a rank that waits for the others gives up.
        shard_over: Ranks that share one copy of the parameters; None: all.
    """
    torch.set_num_threads(threads)
    under_torchrun = "RANK" in os.environ and "WORLD_SIZE" in os.environ
    backend, patience = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timedelta(seconds=timeout)
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if under_torchrun:
        dist.init_process_group(backend, timeout=patience)
    else:
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1, timeout=patience)
    try:
        mesh = mesh_of(device.type, dist.get_world_size(), shard_over)
        yield Ranks(dist.get_rank(), dist.get_world_size(), device, mesh)
    finally:
        dist.destroy_process_group()


def shard(module: nn.Module, mesh: DeviceMesh, blocks: nn.ModuleList | None = None) -> nn.Module:
    """Shard a module's parameters over the ranks, in place; gradients are added, not averaged.

    Args:
        module: Gathered as one unit: one gather before the forward and one reduction after the backward. For small
            models the number of collectives costs more than their size.
        mesh: One dimension, or (copies, ranks that share one).
        blocks: Parts that are gathered apart, one after the other: less memory, more collectives.
    """
    for block in blocks or ():
        _summing(fully_shard(block, mesh=mesh, reshard_after_forward=True))
    _summing(fully_shard(module, mesh=mesh, reshard_after_forward=False))
    return module


def _summing(sharded: FSDPModule) -> None:
    # a factor alone is put into the reduction as a premultiplied sum, which gloo does not know
    sharded.set_force_sum_reduction_for_comms(True)
    sharded.set_gradient_divide_factor(1.0)


def sync_gradients(module: nn.Module, final: bool) -> None:
    """Reduce gradients after the next backward only if it is the step's final one, and keep the weights gathered."""
    if isinstance(module, FSDPModule):
        module.set_requires_gradient_sync(final)
        module.set_reshard_after_backward(final)


@torch.no_grad()
def fill(module: nn.Module, whole: Mapping[str, Tensor]) -> None:
    """Copy whole tensors by name into a module's parameters, sharded or not; every rank has the same ones."""
    for name, parameter in module.named_parameters():
        tensor = whole[name].to(parameter.device)
        if isinstance(parameter, DTensor):
            tensor = distribute_tensor(tensor, parameter.device_mesh, parameter.placements, src_data_rank=None)
        parameter.copy_(tensor)
