"""Files from elsewhere execute nothing: checkpoints' metadata, entries of bytes, exported files, run.json."""

import json
import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as dcp

from common.errors import DataError, UsageError
from trainer.checkpoints import load_model
from trainer.checkpoints.folder import commit, newest
from trainer.checkpoints.safe import load_metadata
from trainer.model import Model, ModelConfig

# torch's own words about saving without a process group
pytestmark = [pytest.mark.filterwarnings("ignore::UserWarning"), pytest.mark.filterwarnings("ignore::FutureWarning")]
SIZE = ModelConfig(vocabulary=6, actions=3, width=16, layers=1, heads=1, inner=16)


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (os.system, (f"touch {self.path}",))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's directory of one checkpoint, made without training."""
    run = tmp_path / "run"
    folder = run / "checkpoints" / "step-00000007"
    folder.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps({"model": SIZE.model_dump(mode="json")}))
    dcp.save({"model": dict(Model(SIZE, seed=3).named_parameters())}, checkpoint_id=str(folder), no_dist=True)
    commit(run, folder, {"step": 7})
    return run


def recommitted(run: Path) -> Path:
    """Make the changed files of the checkpoint its committed ones, as a stranger would; return its folder."""
    folder = run / "checkpoints" / "step-00000007"
    (folder / "COMMITTED").unlink()
    commit(run, folder, {"step": 7})
    found = newest(run, pytest.fail)
    assert found is not None and found[0] == folder
    return folder


def test_an_honest_checkpoint_loads(run: Path) -> None:
    for mine, theirs in zip(load_model(run).parameters(), Model(SIZE, seed=3).parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_metadata_that_would_run_a_command_are_refused(run: Path, tmp_path: Path) -> None:
    flag = tmp_path / "executed"
    bomb = pickle.dumps(Malicious(flag))
    pickle.loads(bomb)
    assert flag.exists(), "the control: torch's own reader would have run it"
    flag.unlink()
    (run / "checkpoints" / "step-00000007" / ".metadata").write_bytes(bomb)
    recommitted(run)
    with pytest.raises(DataError, match=r"names (posix|os)\.system"):
        load_model(run)
    assert not flag.exists()


def test_an_entry_of_bytes_that_would_run_a_command_is_refused(run: Path, tmp_path: Path) -> None:
    flag = tmp_path / "executed"
    folder = run / "checkpoints" / "step-00000007"
    shutil.rmtree(folder)
    folder.mkdir()
    names = [name for name, _ in Model(SIZE).named_parameters()]
    state = {"model": {name: Malicious(flag) for name in names}}
    dcp.save(state, checkpoint_id=str(folder), no_dist=True)
    flag.unlink(missing_ok=True)
    commit(run, folder, {"step": 7})
    with pytest.raises(DataError, match=r"BytesStorageMetadata|tensors only"):
        load_model(run)
    assert not flag.exists()


@pytest.mark.parametrize("name", ["builtins.eval", "os.system", "torch.load", "torch.hub.load", "functools.partial"])
def test_metadata_may_name_nothing_else(name: str, tmp_path: Path) -> None:
    module, _, leaf = name.rpartition(".")
    file = tmp_path / "metadata"
    file.write_bytes(f"c{module}\n{leaf}\n.".encode())
    with file.open("rb") as opened, pytest.raises(DataError, match=f"names {module}.{leaf}"):
        load_metadata(opened)


def test_a_pickle_called_safetensors_is_no_model(tmp_path: Path) -> None:
    flag, path = tmp_path / "executed", tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps(Malicious(flag)))
    with pytest.raises(DataError, match=r"no readable \.safetensors"):
        load_model(path)
    torch.save({"weights": Malicious(flag)}, path)
    with pytest.raises(DataError, match=r"no readable \.safetensors"):
        load_model(path)
    assert not flag.exists()


def test_loading_is_strict(run: Path) -> None:
    larger = SIZE.model_copy(update={"layers": 2})
    (run / "run.json").write_text(json.dumps({"model": larger.model_dump(mode="json")}))
    with pytest.raises(DataError, match=r"blocks\.1"):
        load_model(run)
    (run / "run.json").write_text(json.dumps({"model": {**SIZE.model_dump(mode="json"), "width": 32}}))
    with pytest.raises((DataError, UsageError)):
        load_model(run)
    (run / "run.json").write_text("{")
    with pytest.raises(DataError, match="damaged"):
        load_model(run)


def test_no_part_of_the_trainer_unpickles_files_by_other_ways() -> None:
    root = Path(__file__).resolve().parents[2] / "trainer"
    words = ("import pickle", "pickle.load", "torch.load(")
    users = [path for path in root.rglob("*.py") if any(word in path.read_text() for word in words)]
    assert [str(path.relative_to(root)) for path in users] == ["checkpoints/safe.py"]
