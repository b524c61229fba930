"""The Slurm script of data generation, run for real on one machine; only what Slurm itself would do is played."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from common.dataset import open_dataset
from tests.conftest import CHECKOUT
from tests.faults.heads import free_ports, gone, kill, processes_of, wait_until
from tests.faults.ray_runs import committed

pytestmark = pytest.mark.slow
SRUN = """#!/bin/bash
while [ "${1:0:2}" = "--" ]; do shift; done
exec "$@"
"""
"""Runs a command where it is called: all nodes are this machine."""


@pytest.fixture
def slurm(tmp_path):
    """Start the script as Slurm would, two nodes of a core each; nothing of it is left afterwards."""
    (tmp_path / "srun").write_text(SRUN)
    (tmp_path / "scontrol").write_text("#!/bin/bash\necho here\n")
    for name in ("srun", "scontrol"):
        (tmp_path / name).chmod(0o755)
    number = next(port - 20000 for port in free_ports(50) if port >= 30000) % 10000  # its port is 20000 + this
    environment = {**os.environ, "PATH": f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment |= {"SLURM_JOB_ID": str(number), "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_NODELIST": "here"}
    environment |= {"SLURM_CPUS_PER_TASK": "1", "SLURM_SUBMIT_DIR": str(tmp_path)}

    def start(*arguments):
        command = ["bash", str(CHECKOUT / "deploy/slurm/datagen.sbatch"), "--recipe", "tiny", *arguments]
        with (tmp_path / "log").open("a") as log:
            return subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=log, stderr=log)

    yield start
    for left in processes_of(str(tmp_path)):
        kill(left)


def test_the_script_makes_a_dataset_stops_in_order_and_goes_on(tmp_path, slurm):
    out = tmp_path / "d"
    first = slurm("--out", str(out), "--set", "sequences=65536")
    wait_until(lambda: len(committed(out)) >= 3, 180, "no shards")
    first.send_signal(signal.SIGTERM)  # as Slurm does a minute before the time is over
    assert first.wait(60) == 130, (tmp_path / "log").read_text()
    left = len(committed(out))
    assert 3 <= left < 64, "stopped too late to prove anything"
    assert "interrupted; the same command again goes on from here" in (tmp_path / "log").read_text()
    gone(str(tmp_path))
    assert not list(tmp_path.glob(".ray-token-*")), "a token outlives nobody"
    assert slurm("--out", str(out), "--set", "sequences=65536").wait(240) == 0, (tmp_path / "log").read_text()
    assert open_dataset(str(out)).committed() == set(range(64))
    assert f"{left} of 64 shards are committed already" in (tmp_path / "log").read_text()
