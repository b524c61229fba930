"""The same losses, norms and parameters whatever the ranks: real torchrun, gloo and FSDP2."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from trainer.model import Model, ModelConfig
from trainer.optim import orthogonalise

SCRIPT = Path(__file__).with_name("rank_steps.py")
RENDEZVOUS = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]


def steps(folder: Path, ranks: int, segment: int = 24) -> dict[str, np.ndarray]:
    """Return what ``rank_steps.py`` saves."""
    out = folder / f"{ranks}-{segment}.npz"
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", str(ranks), *RENDEZVOUS] if ranks > 1 else []
    done = subprocess.run(
        [sys.executable, *launch, str(SCRIPT), str(out), str(segment)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(out) as saved:
        return dict(saved)


@pytest.fixture(scope="module")
def one_rank(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    return steps(tmp_path_factory.mktemp("one"), 1)


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    return steps(tmp_path_factory.mktemp("two"), 2)


def test_losses_and_norms_are_those_of_one_rank(one_rank, two_ranks) -> None:
    for key in one_rank:
        if key.startswith(("loss", "norm")):
            np.testing.assert_allclose(two_ranks[key], one_rank[key], rtol=1e-5, err_msg=key)


def test_a_muon_step_on_two_ranks_is_that_of_one_on_every_matrix(one_rank, two_ranks) -> None:
    matrices = [key for key in one_rank if "@" in key and one_rank[key].ndim == 2]
    assert sum("blocks." in key for key in matrices) == 2 * 2 * 4, "two steps, two blocks, four matrices"
    for key in matrices:
        np.testing.assert_allclose(two_ranks[key], one_rank[key], rtol=0, atol=1e-4, err_msg=key)


def test_orthogonalising_shards_alone_would_be_seen() -> None:
    """The control of the test above: what it guards against is far outside its tolerance."""
    size = ModelConfig(vocabulary=6, actions=3, width=16, layers=2, heads=2, inner=33)
    gradient = torch.randn(33, 16, generator=torch.Generator().manual_seed(0))
    assert Model(size).get_parameter("blocks.0.feed_forward.up.weight").shape == gradient.shape
    whole = orthogonalise(gradient[None], 5)[0]
    apart = torch.cat([orthogonalise(part[None], 5)[0] for part in gradient.chunk(2)])
    assert 0.02 * (whole - apart).abs().max() > 1e-3


def test_segments_add_up_to_the_same_loss(one_rank, tmp_path: Path) -> None:
    """Before the first update the losses are equal; gradients stop at cuts, so later ones need not be."""
    cut = steps(tmp_path, 1, segment=10)
    np.testing.assert_allclose(cut["loss0"], one_rank["loss0"], rtol=1e-5)
    assert not np.allclose(cut["norm0"], one_rank["norm0"], rtol=1e-6)
