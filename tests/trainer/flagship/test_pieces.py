"""The flagship's parts: play side by side, stages by the minutes, tables from the journal, batches that fit."""

import json
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch

from common.errors import DataError
from common.synthesis.recipe import load as load_data
from trainer import config as configs
from trainer.agent import Agent, AgentSettings
from trainer.bench import device as timing
from trainer.checkpoints.sharded import export_sharded
from trainer.evaluation.run import prepare, tally_agent
from trainer.evaluation.suites import suite
from trainer.flagship import stages, tables, trace, tuning
from trainer.flagship.joint import play_jointly
from trainer.flagship.scale import FULL, SMALL
from trainer.flagship.state import State
from trainer.flagship.worker import Work
from trainer.model import Model, ModelConfig


def small_model(vocabulary: int = 128) -> Model:
    return Model(ModelConfig(vocabulary=vocabulary, actions=5, layers=1, width=16, heads=2, inner=16), seed=4)


def test_suites_played_side_by_side_are_played_as_alone() -> None:
    agent = Agent(small_model(), AgentSettings(temperature=0, temperature_steps=0, folding="modulo"))
    suites = [prepare(agent, suite(name), 3, 70) for name in ("anymdp-16", "frozenlake", "switch2")]
    together = play_jointly(agent, suites, 70, time.monotonic() + 600)
    for on, (played, tally) in zip(suites, together, strict=True):
        alone = tally_agent(agent, on)
        assert played.steps == 70
        for name in ("paid", "entropy"):
            np.testing.assert_allclose(tally.sums(name, [(0, 70)]), alone.sums(name, [(0, 70)]), rtol=1e-3, atol=1e-4)


def test_play_ends_with_its_time_and_what_was_played_is_scored() -> None:
    agent = Agent(small_model())
    on = prepare(agent, suite("frozenlake"), 2, 4000)
    (played, tally), *_ = play_jointly(agent, [on], 4000, time.monotonic() - 1)
    assert played.steps == tally.steps == 64


def work_in(folder: Path, **settings) -> Work:
    state = State(folder)
    state.keep(training_minutes=2.0, rate=10_000.0, **settings)
    return Work(state, SMALL, torch.device("cpu"), time.monotonic() + 60)


def test_a_stage_has_the_steps_of_its_share_of_the_minutes_and_keeps_them(tmp_path) -> None:
    work = work_in(tmp_path, batch_share=0.5, sets=["seed=5"])
    made = stages.settings_of(work, 0)
    rows = 2 * 128  # half the rehearsal's batch of four sequences of 128 rows
    assert made["steps"] == round(stages.SURE * 120 * SMALL.stages[0].share * 10_000 / rows)
    assert {"seed=5", "batch=2", f"steps={made['steps']}"} <= set(made["arguments"])
    work.state.keep(rate=1.0)
    assert stages.settings_of(work, 0) == made, "a later leg goes on with the settings it was begun with"


def test_a_stage_begins_with_the_one_before_and_a_new_machine_with_the_weights_it_was_given(tmp_path) -> None:
    work = work_in(tmp_path / "first")
    run = work.state.runs / SMALL.stages[0].name
    run.mkdir()
    (run / "latest").write_text("step-00000007\n")
    assert stages.steps_done(work.state, SMALL.stages[0]) == 7
    arguments = stages.settings_of(work, 1)["arguments"]
    assert arguments[arguments.index("--init") + 1] == str(run)
    index = export_sharded(small_model(), tmp_path / "agent", {"stage": SMALL.stages[1].name})
    other = work_in(tmp_path / "second", init=str(index))
    assert stages.first_stage(other.state, SMALL) == 1
    arguments = stages.settings_of(other, 1)["arguments"]
    assert arguments[arguments.index("--init") + 1] == str(index)


def test_training_that_fails_at_once_begins_anew_without_compiled_blocks(tmp_path, monkeypatch) -> None:
    work = work_in(tmp_path, compile=True)
    seen = []

    def fail(arguments: list[str]) -> str:
        seen.append("compile=true" in arguments)
        run = work.state.runs / SMALL.stages[0].name
        assert not run.exists(), "nothing of the failed attempt is left"
        run.mkdir()
        return "RuntimeError: no such instruction"

    monkeypatch.setattr(stages, "_train", fail)
    for _ in range(2):
        with pytest.raises(DataError, match="no such instruction"):
            stages.run(work)
    assert seen == [True, False]
    assert [line["why"] for line in work.state.lines("trained")] == ["RuntimeError: no such instruction"] * 2


@pytest.mark.parametrize("scale", [FULL, SMALL], ids=lambda scale: scale.name)
def test_stages_are_what_they_promise(scale) -> None:
    lengths = []
    for stage in scale.stages:
        data, config = load_data(stage.data), configs.load(stage.recipe)
        lengths.append(data.length)
        weights = {True: 0.0, False: 0.0}
        for one in data.behaviours:
            weights[one.needs_optimal] += one.weight
        assert weights[False] > 0.8 * sum(weights.values()), "mostly uninformed"
        assert data.label == "oracle" and data.tasks is None and data.sequences_per_task == 1, "fresh worlds"
        model = Model(ModelConfig(vocabulary=data.vocabulary, actions=5, **config.model.model_dump()), device="meta")
        assert model.parameter_count() <= 25_000_000
    assert lengths[-1] >= 8192 and sum(stage.share for stage in scale.stages) == pytest.approx(1)
    sizes = [
        settings.n_states
        for family in load_data("flagship").families
        if family.family == "anymdp"
        for settings in family.corners(128)
    ]
    assert min(sizes) <= 16 and max(sizes) == 128


def test_a_batch_that_does_not_fit_is_halved_and_blocks_that_do_not_compile_run_plain(monkeypatch) -> None:
    config = configs.load("tiny", ["segment=32"])
    plain = timing.Pace.__init__

    def begin(self, config, context, sequences, segment, device, compiled):
        if compiled:
            raise RuntimeError("no such instruction")
        if sequences > 2:
            raise torch.OutOfMemoryError("no room")
        plain(self, config, context, sequences, segment, device, compiled)

    monkeypatch.setattr(timing.Pace, "__init__", begin)
    found = timing.pace(config, 64, 256, 0.01, torch.device("cpu"), True, 1e12)
    assert (found["sequences"], found["segment"], found["compiled"]) == (2, 32, False)
    assert [one["why"] for one in found["failures"]] == [
        "RuntimeError: no such instruction",
        "out of memory",
        "out of memory",
    ]
    assert found["steps_per_second"] > 0


def test_where_nothing_runs_it_says_so(monkeypatch) -> None:
    def begin(*arguments):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(timing.Pace, "__init__", begin)
    found = timing.pace(configs.load("tiny", ["segment=512"]), 1024, 1024, 0.01, torch.device("cpu"), False, 1e12)
    assert "steps_per_second" not in found and found["failures"][-1]["segment"] == 256


Tile = namedtuple("Tile", "kwargs num_warps num_stages")


def test_of_many_configurations_the_likely_ones_are_tried() -> None:
    many = [
        Tile({"BV": size}, warps, deep) for size in (16, 32, 64, 128) for warps in (1, 2, 4, 8) for deep in (2, 3, 4)
    ]
    few = tuning.fewer(many, 2)
    assert few == [Tile({"BV": 64}, 4, 3), Tile({"BV": 32}, 4, 3)]
    assert tuning.fewer(many[:1], 2) == many[:1]


def test_a_profile_tells_busy_time_from_gaps() -> None:
    span, event = namedtuple("Span", "start end elapsed_us"), namedtuple("Event", "name device_type time_range")
    kind = torch.autograd.DeviceType.CUDA
    times = [("mm", 0, 30), ("add", 30, 40), ("mm", 70, 100)]
    events = [event(name, kind, span(first, last, lambda w=last - first: w)) for name, first, last in times]
    told = trace.summary(events, on_gpu=True)
    assert told["busy_share"] == pytest.approx(0.7)
    assert told["gaps_ms"] * trace.STEPS == pytest.approx(0.03)
    assert [line["name"] for line in told["kernels"]] == ["mm", "add"]
    assert told["kernels"][0]["share"] == pytest.approx(0.6)


def test_losses_by_position_have_their_slope(tmp_path) -> None:
    state = State(tmp_path)
    edges = [(2**n, 2 ** (n + 1)) for n in range(3, 10)]
    bins = [{"from": a, "to": b, "loss_policy": 2.0 - 0.1 * np.log2(0.5 * (a + b))} for a, b in edges]
    line = {"kind": "validation", "set": tables.SET, "step": 3, "by_position": bins}
    (state.share / "2-x-metrics.jsonl").write_text(json.dumps(line) + "\n")
    state.note("skipped", what="parity of mamba2", why="the phase's seconds are over")
    page = tables.page(state)
    assert "changes by -0.1000 nats with every doubling" in page and "(r2 1.00)" in page
    assert "parity of mamba2: the phase's seconds are over" in page


def test_its_phases_need_no_matplotlib() -> None:
    code = """
import sys
sys.modules["matplotlib"] = None
import trainer.flagship.judge, trainer.flagship.shown, trainer.flagship.share
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
