"""Every study at every scale asks for what the trainer accepts, arms differ in what they name, and results are kept."""

import json
import subprocess
import tomllib
from pathlib import Path

import pytest

from common.errors import DataError, UsageError
from common.synthesis.recipe import load as load_data
from trainer import config as configs
from trainer.study import runner
from trainer.study.__main__ import main
from trainer.study.arm import SCALES, Arm, Scale, Study
from trainer.study.inline import inline
from trainer.study.studies import STUDIES


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", STUDIES)
def test_every_arm_is_one_the_trainer_accepts_and_no_two_are_alike(name: str, scale: str) -> None:
    arms = STUDIES[name].arms(SCALES[scale])
    assert len({arm.name for arm in arms}) == len(arms) > 1
    resolved = {
        json.dumps(
            [configs.load(arm.recipe, arm.settings).model_dump(), load_data(arm.data, arm.data_settings).model_dump()],
            sort_keys=True,
        )
        for arm in arms
    }
    assert len(resolved) == len(arms)
    for arm in arms:
        # steps are measured where arms get equal time; else all train on as much
        assert arm.minutes is None or not any(setting.startswith("steps=") for setting in arm.settings)
    if all(arm.minutes is None for arm in arms):
        rows = {runner.rows_of_a_step(arm) * configs.load(arm.recipe, arm.settings).steps for arm in arms}
        assert max(rows) <= 1.01 * min(rows)


def test_a_setting_survives_as_a_line_of_toml() -> None:
    value = {"a": [1, 2.5, -1e-7], "b": {"c": True, "d": 'say "x"'}, "e": None}
    assert tomllib.loads(f"x = {inline(value)}")["x"] == {"a": [1, 2.5, -1e-7], "b": {"c": True, "d": 'say "x"'}}
    with pytest.raises(TypeError, match="no word for object"):
        inline([object()])


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["nothing"], "say which study"),
        ([], "say which study"),
        (["ablation", "--scale", "huge"], "--scale takes cpu, gpu, paper"),
        (["ablation", "--arm", "ablation-x"], "--arm takes ablation-ad"),
        (["ablation", "--ranks", "0"], "at least 1"),
    ],
)
def test_what_cannot_be_is_refused(words: list[str], wrong: str, capsys, tmp_path: Path) -> None:
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    assert wrong in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_list_names_every_study(capsys) -> None:
    assert main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(STUDIES)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> tuple[Study, list[str]]:
    """Return a study that trains nothing and tells what it was asked."""
    seen: list[str] = []

    def measure(arm: Arm, run: Path, scale: Scale, say) -> dict:
        seen.append(f"{arm.name} measured")
        return {"settings": list(arm.settings)}

    monkeypatch.setattr(runner, "train", lambda arm, run, say, ranks: seen.append(f"{arm.name} trained"))
    monkeypatch.setattr(runner, "speed_of", lambda config, context, segment: {"steps_per_cpu_second": 8192.0})
    arms = [Arm("one", "", "tiny", "tiny", ("batch=4",), (), None), Arm("two", "", "tiny", "tiny", (), (), 0.5)]
    study = Study("counted", "", "", lambda scale: arms, measure, lambda found: "table", lambda found, path: None)
    return study, seen


def test_what_is_there_is_not_done_again_and_changed_settings_are(counted, tmp_path: Path) -> None:
    study, seen = counted
    told = runner.run(study, SCALES["cpu"], tmp_path, lambda line: None)
    assert seen == ["one trained", "one measured", "two trained", "two measured"]
    # half a minute at 8192 rows a second, 16 x 512 rows a step
    assert told["arms"]["two"]["settings"] == ["steps=30"]
    assert runner.run(study, SCALES["cpu"], tmp_path, lambda line: None) == told
    assert seen[4:] == ["one trained", "two trained"], "the trainer knows what there is left to train"
    other = study._replace(arms=lambda scale: [study.arms(scale)[0]._replace(settings=("batch=8",))])
    runner.run(other, SCALES["cpu"], tmp_path, lambda line: None)
    assert seen[-1] == "one measured"
    with pytest.raises(UsageError, match="holds study counted at scale cpu"):
        runner.run(study, SCALES["gpu"], tmp_path, lambda line: None)


@pytest.mark.parametrize(("code", "step", "wrong"), [(0, 3, "at step 3 of 9"), (1, 9, "failed"), (0, 9, None)])
def test_a_run_that_stopped_is_not_measured(
    code: int, step: int, wrong: str | None, monkeypatch, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    (run / "checkpoints" / f"step-{step:08d}").mkdir(parents=True)
    monkeypatch.setattr(runner.subprocess, "run", lambda command, **named: subprocess.CompletedProcess(command, code))
    arm = Arm("one", "", "tiny", "tiny", ("steps=9",))
    if wrong is None:
        runner.train(arm, run, lambda line: None)
    else:
        with pytest.raises(DataError, match=wrong):
            runner.train(arm, run, lambda line: None)
