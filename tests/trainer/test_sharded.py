"""A model in several files: under the limit, the same again to bfloat16, and nothing taken for it that is not it."""

import pytest
import torch

from common.errors import DataError
from trainer.agent import Agent
from trainer.checkpoints import load_model
from trainer.checkpoints.sharded import export_sharded
from trainer.evaluation.subject import subject
from trainer.model import Model, ModelConfig

CARD = {"datasets": [{"recipe": {"families": [{"family": "anymdp", "weight": 1.0}]}}], "dataset": {"length": 8192}}


@pytest.fixture
def model() -> Model:
    return Model(ModelConfig(vocabulary=16, actions=5, backbone="gated-delta-net", layers=2), seed=2)


def test_files_are_under_the_limit_and_hold_the_model(model, tmp_path) -> None:
    index = export_sharded(model, tmp_path, CARD, limit=100_000)
    files = sorted(tmp_path.glob("*.safetensors"))
    assert len(files) > 2 and all(path.stat().st_size <= 100_000 for path in files)
    again = load_model(index)
    for (name, one), other in zip(model.named_parameters(), again.parameters(), strict=True):
        assert torch.equal(one.bfloat16().float(), other), name
    assert Agent.load(index).vocabulary == 16
    who = subject(index)
    assert who.families == ("anymdp",) and who.context == 8192


def test_another_export_leaves_no_old_files(model, tmp_path) -> None:
    export_sharded(model, tmp_path, limit=100_000)
    export_sharded(model, tmp_path)
    assert [path.name for path in tmp_path.glob("*.safetensors")] == ["model-00001-of-00001.safetensors"]


@pytest.mark.parametrize("harm", ["damaged", "missing", "index"])
def test_damage_is_named(model, tmp_path, harm: str) -> None:
    index = export_sharded(model, tmp_path, limit=100_000)
    victim = index if harm == "index" else sorted(tmp_path.glob("*.safetensors"))[1]
    if harm == "missing":
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes()[:-7] + b"nothing")
    with pytest.raises(DataError, match=victim.name):
        load_model(index)
