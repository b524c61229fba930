"""One reduction of gradients per optimiser step, however many segments add up: counted under real torchrun."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.trainer.runs import RENDEZVOUS

SCRIPT = Path(__file__).with_name("rank_collectives.py")


def test_collectives_of_a_step_do_not_grow_with_its_segments() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *RENDEZVOUS, str(SCRIPT)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert set(found) == {"1", "8"}, "segments of a step"
    for counted in found.values():
        assert sum(number for name, number in counted.items() if "reduce_scatter" in name) == 1, found
        assert sum(number for name, number in counted.items() if "allgather" in name or "all_gather" in name) == 1, (
            found
        )
        # the valid targets before the step, the gradient's norm after it
        assert sum(number for name, number in counted.items() if name.startswith(("allreduce", "all_reduce"))) == 2
    assert found["1"] == found["8"]
