"""Ranks: the process group under torchrun (or alone), and the sharding of a module over it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard


class Ranks:
    """This process among the others of the run."""

    def __init__(self, rank: int, count: int, device: torch.device, mesh: DeviceMesh) -> None:
        self.rank, self.count, self.device, self.mesh = rank, count, device, mesh

    @property
    def first(self) -> bool:
        """Whether this is the rank that writes and prints."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Return ``values`` added over all ranks, in place."""
        dist.all_reduce(values)
        return values

    def barrier(self) -> None:
        """Wait for the others."""
        dist.barrier()


@contextmanager
def process_group(threads: int) -> Iterator[Ranks]:
    """Join the group that torchrun describes in the environment, or make one of a single rank; leave it at the end.

    Args:
        threads: CPU threads of this rank's operations; a constant of the run, results depend on it.
    """
    torch.set_num_threads(threads)
    under_torchrun = "RANK" in os.environ and "WORLD_SIZE" in os.environ
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    if under_torchrun:
        dist.init_process_group(backend)
    else:
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    try:
        device = torch.device("cpu")
        if torch.cuda.is_available():
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
            torch.cuda.set_device(device)
        mesh = init_device_mesh(device.type, (dist.get_world_size(),))
        yield Ranks(dist.get_rank(), dist.get_world_size(), device, mesh)
    finally:
        dist.destroy_process_group()


def shard(module: nn.Module, ranks: Ranks) -> nn.Module:
    """Shard a module's parameters over the ranks, in place, as one unit; gradients are added, not averaged.

    One unit means one gather before the forward and one reduction after the backward: for small models the number
    of collectives costs more than their size.
    """
    sharded = fully_shard(module, mesh=ranks.mesh, reshard_after_forward=False)
    # a factor alone is put into the reduction as a premultiplied sum, which gloo does not know
    sharded.set_force_sum_reduction_for_comms(True)
    sharded.set_gradient_divide_factor(1.0)
    return module


def sync_gradients(module: nn.Module, final: bool) -> None:
    """Reduce gradients after the next backward only if it is the step's final one, and keep the weights gathered."""
    if isinstance(module, FSDPModule):
        module.set_requires_gradient_sync(final)
        module.set_reshard_after_backward(final)
