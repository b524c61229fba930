"""Parity as it is used: built on meta, sharded over two real processes, cut into segments, recomputed."""

import json
import os
import subprocess
import sys
from pathlib import Path

from .parts import BACKBONES

SCRIPT = Path(__file__).with_name("rank_parity.py")
LAUNCH = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d", "--rdzv-endpoint"]


def test_two_sharded_ranks_equal_one_process_for_every_backbone() -> None:
    done = subprocess.run(
        [sys.executable, *LAUNCH, "localhost:0", str(SCRIPT)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert report.keys() == set(BACKBONES)
    for backbone, found in report.items():
        exact, rounded = found["float32"], found["bfloat16"]
        assert exact["compared"] == rounded["compared"] > 10
        assert exact["logits"] < 1e-4 and exact["gradients"] < 1e-4, (backbone, found)
        assert rounded["logits"] < 0.08 and rounded["whole_gradient"] < 0.02, (backbone, found)
