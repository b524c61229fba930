"""The benchmark prints what it promises, and its count of operations is right."""

import json

import pytest
from torch.utils.flop_counter import FlopCounterMode

from trainer.bench import main, operations, random_batch
from trainer.loss import Objective
from trainer.model import Model, ModelConfig


def test_json_has_the_promised_keys(capsys) -> None:
    assert main(["--json", "--context", "32,64", "--seconds", "0.01", "--set", "batch=1"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [row["context"] for row in results] == [32, 64]
    assert {"backbone", "parameters", "context", "steps_per_second", "peak_bytes"} <= results[0].keys()
    assert all(row["steps_per_second"] > 0 for row in results)


def test_a_bad_context_is_refused(capsys) -> None:
    assert main(["--context", "long"]) == 2
    assert "--context" in capsys.readouterr().err


def test_operations_are_those_counted_in_a_pass() -> None:
    model = Model(ModelConfig(vocabulary=16, actions=5))
    with FlopCounterMode(display=False) as counter:
        outcome, _ = Objective(model)(random_batch(2, 256))
        sum(outcome.sums()).backward()
    # attention's kernel is not counted: queries times keys and weights times values, 128 positions on average
    attention = 3 * 2 * 2 * 64 * 3 * 128
    assert operations(model, 256) == pytest.approx(counter.get_total_flops() / (2 * 256) + attention, rel=0.01)
