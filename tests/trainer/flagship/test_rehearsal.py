"""The command itself, every phase for real, small and on the CPU, where only the packages of a bare machine are."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from trainer.agent import Agent
from trainer.flagship.figure import main as drawn
from trainer.flagship.leg import PHASES
from trainer.flagship.state import State

MISSING = ("zarr", "zarrs", "obstore", "numcodecs", "ray", "matplotlib", "PIL", "tensorboard", "fastapi", "uvicorn")
MISSING += ("prometheus_client", "minari", "wandb", "mlflow", "stable_baselines3", "httpx", "hypothesis", "h5py")
"""What the project can use elsewhere, and neither such a machine nor wheels/ has."""
HOOK = f"""
import sys
from importlib.machinery import PathFinder

class Bare(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {MISSING!r} else super().find_spec(name, path, target)

sys.meta_path[:] = [Bare if finder is PathFinder else finder for finder in sys.meta_path]
"""


def command(state: Path, bare: Path, *arguments: str, timeout: float = 500) -> subprocess.CompletedProcess[str]:
    """Run the command where the missing packages cannot be imported, its own processes included."""
    bare.mkdir(exist_ok=True)
    (bare / "sitecustomize.py").write_text(HOOK)
    environment = os.environ | {"PYTHONPATH": f"{bare}{os.pathsep}{CHECKOUT}"}
    words = [sys.executable, "-m", "trainer.flagship", "--state", str(state), "--device", "cpu", "--scale", "small"]
    return subprocess.run(
        [*words, *arguments], cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=timeout
    )


def ways(state: Path) -> dict[str, str]:
    return {line["phase"]: line["how"] for line in State(state).lines("phase")}


def test_the_missing_packages_are_missing_there(tmp_path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HOOK)
    look = "import importlib.util as u, pydantic; print(u.find_spec('zarr'), u.find_spec('torch') is not None)"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", look], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["None", "True"], done.stderr


def test_a_short_leg_trains_evaluates_and_shares(tmp_path) -> None:
    state, phases = tmp_path / "state", ("train", "evaluate", "share")
    asked = ("--minutes", "2.5", "--phases", ",".join(("pick", *phases)), "--training-minutes", "0.005")
    done = command(state, tmp_path / "bare", *asked)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ways(state) == dict.fromkeys(("pick", *phases), "done")
    results = json.loads((state / "share" / "evaluation" / "results.json").read_text())
    assert results["suites"].keys() == {"anymdp-16", "frozenlake", "cliffwalking", "switch2"}
    index = state / "share" / "agent" / "model.safetensors.index.json"
    card = json.loads(index.read_text())["metadata"]["card"]
    assert card["stage"] == "2-anymdp" and card["scores"].keys() == results["suites"].keys()
    assert Agent.load(index).vocabulary == 128
    page = (state / "share" / "tables.md").read_text()
    assert drawn(["--out", str(tmp_path / "learning.png"), str(state / "share")]) == 0
    assert (tmp_path / "learning.png").stat().st_size > 10_000
    assert "## Training\n" in page and "95.3 / 2.0K / 29" in page and "with every doubling" in page


@pytest.mark.slow
def test_all_phases_then_another_leg_and_another_machine(tmp_path) -> None:
    state, bare = tmp_path / "state", tmp_path / "bare"
    done = command(state, bare, "--minutes", "7", "--training-minutes", "0.1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ways(state) == dict.fromkeys(PHASES, "done"), done.stdout
    journal = State(state)
    assert {line["backbone"] for line in journal.lines("parity")} >= {"transformer", "gated-delta-net", "rwkv7"}
    assert all(line["agrees"] for line in journal.lines("parity"))
    assert all(line["steps_per_second"] > 0 for line in journal.lines("speed", "feed"))
    assert (state / "share" / "evaluation" / "table2.txt").exists() and (state / "share" / "profile.txt").exists()
    before = len(journal.lines("phase"))
    again = command(state, bare, "--minutes", "3")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "speed: measured before" in again.stdout and len(journal.lines("phase")) == before + 4
    index = state / "share" / "agent" / "model.safetensors.index.json"
    other = tmp_path / "other"
    asked = ("--minutes", "3", "--init", str(index), "--phases", "pick,train,share", "--training-minutes", "0.005")
    moved = command(other, bare, *asked)
    assert moved.returncode == 0, moved.stdout + moved.stderr
    assert [path.name for path in (other / "runs").iterdir()] == ["2-anymdp"], "the stage whose weights these are"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("--minutes", "0"), "--minutes"),
        (("--minutes", "1", "--phases", "dance"), "--phases"),
        (("--minutes", "1", "--init", "nowhere"), "--init"),
    ],
)
def test_what_cannot_be_done_is_refused(tmp_path, asked: tuple[str, ...], told: str) -> None:
    done = command(tmp_path / "state", tmp_path / "bare", *asked)
    assert done.returncode == 2 and told in done.stderr
    assert not (tmp_path / "state").exists()
