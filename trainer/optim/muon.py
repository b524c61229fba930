"""Muon's update: the nearest orthogonal matrix of each gradient's momentum, also where matrices are sharded by FSDP2.

Muon orthogonalises a whole matrix: a shard of it alone would give another, silently wrong update. The momentum is
kept sharded; all matrices' updates are gathered in one collective, orthogonalised in batches of equal shape, and each
rank keeps its rows.
"""

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor, Shard

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic iteration (K. Jordan, Muon, 2024)."""

_all_gather = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
"""The older name warns in newer releases."""


def orthogonalise(matrices: Tensor, steps: int) -> Tensor:
    """Return matrices (N, rows, columns) with singular values near 1, their singular vectors kept."""
    a, b, c = NEWTON_SCHULZ
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x = matrices if wide else matrices.transpose(-2, -1)
    if x.device.type == "cuda":
        x = x.bfloat16()  # several times faster there; singular values are only brought near 1 anyway
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(steps):
        gram = x @ x.transpose(-2, -1)
        x = a * x + (b * gram + c * gram @ gram) @ x
    x = x.to(matrices.dtype)
    return x if wide else x.transpose(-2, -1)


def orthogonal_updates(whole: dict[str, Tensor], steps: int) -> dict[str, Tensor]:
    """Return updates (whole matrices, by parameter name) orthogonalised, those of equal shape together."""
    pieces: dict[tuple[int, ...], list[tuple[str, int, Tensor]]] = {}
    for name, matrix in whole.items():
        # queries, keys and values are three maps that share one parameter
        parts = matrix.chunk(3) if name.endswith("qkv.weight") else (matrix,)
        for index, part in enumerate(parts):
            pieces.setdefault(tuple(part.shape), []).append((name, index, part))
    done: dict[str, dict[int, Tensor]] = {}
    for (rows, columns), group in pieces.items():
        stacked = orthogonalise(torch.stack([part for _, _, part in group]), steps)
        stacked *= max(1.0, rows / columns) ** 0.5
        for (name, index, _), part in zip(group, stacked, strict=True):
            done.setdefault(name, {})[index] = part
    return {name: torch.cat([parts[i] for i in sorted(parts)]) for name, parts in done.items()}


def gather_matrices(parameters: dict[str, Tensor], updates: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return whole matrices from every rank's rows of them, in one collective.

    Args:
        parameters: Matrices, sharded by rows over one mesh dimension, or whole.
        updates: This rank's rows of a tensor like each of them, by the same names.
    """
    sharded = {name: p for name, p in parameters.items() if isinstance(p, DTensor)}
    if not sharded:
        return updates
    mesh = next(iter(sharded.values())).device_mesh
    if any(p.device_mesh != mesh or p.placements != (Shard(0),) for p in sharded.values()):
        # several mesh dimensions: one collective a matrix
        return {
            name: DTensor.from_local(
                updates[name], p.device_mesh, p.placements, shape=p.shape, stride=p.stride()
            ).full_tensor()
            if isinstance(p, DTensor)
            else updates[name]
            for name, p in parameters.items()
        }
    ranks = mesh.size()
    rows = {name: [_row_range(p.shape[0], rank, ranks) for rank in range(ranks)] for name, p in sharded.items()}
    most = {name: (rows[name][0][1] - rows[name][0][0]) * p.shape[1] for name, p in sharded.items()}
    example = updates[next(iter(sharded))]
    mine = example.new_zeros(sum(most.values()))
    place = 0
    for name in sharded:
        mine[place : place + updates[name].numel()] = updates[name].flatten()
        place += most[name]
    gathered = mine.new_empty(ranks * mine.numel())
    _all_gather(gathered, mine, group=mesh.get_group())
    everyone = gathered.view(ranks, -1)
    whole, place = dict(updates), 0
    for name, parameter in sharded.items():
        columns = parameter.shape[1]
        whole[name] = torch.cat(
            [
                everyone[rank, place : place + (end - first) * columns].view(end - first, columns)
                for rank, (first, end) in enumerate(rows[name])
            ]
        )
        place += most[name]
    return whole


def _row_range(size: int, rank: int, ranks: int) -> tuple[int, int]:
    """Return the rows of a matrix that FSDP2 gives to a rank: even pieces, the last ones short or empty."""
    piece = -(-size // ranks)
    return min(size, rank * piece), min(size, (rank + 1) * piece)


def own_rows(parameter: Tensor, whole: Tensor) -> Tensor:
    """Return this rank's part of ``whole``, laid out like ``parameter``."""
    if not isinstance(parameter, DTensor):
        return whole
    if parameter.placements == (Shard(0),):
        first, end = _row_range(whole.shape[0], parameter.device_mesh.get_local_rank(), parameter.device_mesh.size())
        return whole[first:end]
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(whole, parameter.device_mesh, parameter.placements, src_data_rank=None).to_local()
