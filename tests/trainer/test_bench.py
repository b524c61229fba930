"""The benchmark prints what it promises, and its count of operations is right."""

import json

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.trainer.model.parts import BACKBONES
from trainer import config as configs
from trainer.bench import gpu
from trainer.bench.__main__ import main
from trainer.bench.cell import random_batch
from trainer.bench.operations import operations
from trainer.loss import Objective
from trainer.model import Model, ModelConfig


def test_json_has_the_promised_keys(capsys) -> None:
    assert main(["--json", "--contexts", "64", "--seconds", "0.01", "--set", "batch=1"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [row["context"] for row in results] == [64]
    assert {"backbone", "parameters", "context", "steps_per_second", "peak_bytes"} <= results[0].keys()
    assert all(row["steps_per_second"] > 0 for row in results)


@pytest.mark.parametrize(
    ("option", "value"), [("--context", "long"), ("--contexts", "0"), ("--backbones", "mlp"), ("--layouts", "flat")]
)
def test_what_cannot_be_measured_is_refused(option: str, value: str, capsys) -> None:
    assert main([option, value]) == 2
    assert option.rstrip("s") in capsys.readouterr().err


def test_sizes_are_printed_with_their_reasons(capsys) -> None:
    assert main(["--sizes"]) == 0
    printed = capsys.readouterr().out
    assert "the dial" in printed and "AdamW rate" in printed and "parameters" in printed


@pytest.mark.parametrize("layout", ["transition", "podtaw"])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_operations_are_those_counted_in_a_pass(backbone: str, layout: str) -> None:
    model = Model(ModelConfig(vocabulary=16, actions=5, backbone=backbone, layout=layout))
    with FlopCounterMode(display=False) as counter:
        outcome, _ = Objective(model)(random_batch(2, 256))
        outcome.sums().sum().backward()
    positions, counted = model.config.positions, counter.get_total_flops() / (2 * 256)
    if backbone == "transformer":
        # the counter does not know attention's kernel on a CPU
        counted += 3 * positions * sum(block.mixer.operations(256 * positions) for block in model.blocks)
    assert operations(model, 256) == pytest.approx(counted, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["transformer", "gated-delta-net"])
def test_memory_and_speed_stay_as_they_are_when_the_context_grows(backbone: str, capsys) -> None:
    asked = ["--json", "--backbones", backbone, "--contexts", "8192,131072", "--segment", "2048", "--seconds", "3"]
    assert main(asked) == 0
    short, long = json.loads(capsys.readouterr().out)["results"]
    assert long["peak_bytes"] == pytest.approx(short["peak_bytes"], rel=0.1)
    assert long["steps_per_cpu_second"] > 0.7 * short["steps_per_cpu_second"]


def test_a_table_for_a_gpu_is_printed_beside_its_ceilings() -> None:
    cells = [(configs.load("tiny", [f"model.layout={layout}"]), 64) for layout in ("transition", "podtaw")]
    said: list[str] = []
    machine, results = gpu.measure(cells, "cpu", 256, 0.01, "python -m trainer.bench --device cuda", said.append)
    assert machine["peak"] > 0 and machine["copy"] > 0
    assert [row["sequences"] for row in results] == [4, 1], "as many positions in a pass"
    for row in results:
        used = row["steps_per_second"] * row["operations_per_step"]
        assert row["share_of_peak"] == pytest.approx(used / machine["peak"])
    assert len(said) == 5 and "podtaw" in said[-1] and "ceilings here" in said[1]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_its_table_is_refused(capsys) -> None:
    assert main(["--device", "cuda"]) == 2
    assert "--device cuda needs a GPU" in capsys.readouterr().err
