"""The chain of stages, with small commands in the place of the real ones."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from common.errors import UsageError
from deploy.demo import stages
from deploy.demo.plan import SUITES, Commands, DemoSettings
from deploy.demo.report import pictures, write_report
from deploy.demo.stages import Demo, StageFailed


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


class Chain:
    """A demo whose dataset exists and whose commands are what a test makes them."""

    def __init__(self, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings = DemoSettings(out=out)
        self.calls = out.parent / "calls"
        self.train_code = self.evaluate_code = "0"
        monkeypatch.setattr(stages, "complete", lambda _: True)
        monkeypatch.setattr(Commands, "train", lambda _: self.command("train", self.train_code, self.run_files()))
        monkeypatch.setattr(
            Commands, "evaluate", lambda _: self.command("evaluation", self.evaluate_code, self.result_files())
        )

    def command(self, name: str, code: str, files: dict[str, str]) -> list[str]:
        write = "".join(
            f"p = pathlib.Path({path!r}); p.parent.mkdir(parents=True, exist_ok=True); p.write_text({text!r})\n"
            for path, text in files.items()
        )
        note = f"open({str(self.calls)!r}, 'a').write({name + chr(10)!r})\n"
        return python(f"import pathlib, sys\n{note}{write}sys.exit({code})")

    def run_files(self) -> dict[str, str]:
        run = self.settings.run
        return {str(run / "run.json"): json.dumps({"steps": 7}), str(run / "latest"): "step-00000007\n"}

    def result_files(self) -> dict[str, str]:
        return {str(self.settings.evaluation / "results.json"): "{}"}

    def called(self) -> list[str]:
        return self.calls.read_text().split()


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chain:
    return Chain(tmp_path / "demo", monkeypatch)


def test_stages_run_in_order_and_are_remembered(chain: Chain) -> None:
    demo = Demo(chain.settings)
    assert demo.run() == []
    assert chain.called() == ["train", "evaluation"]
    assert {name: stage.exit_code for name, stage in demo.stages.items()} == {"train": 0, "evaluation": 0}
    assert Demo(chain.settings).stages == demo.stages


def test_a_rerun_resumes_training_and_keeps_the_evaluation_of_the_same_model(chain: Chain) -> None:
    Demo(chain.settings).run()
    assert Demo(chain.settings).run() == []
    assert chain.called() == ["train", "evaluation", "train"]
    (chain.settings.evaluation / "results.json").unlink()
    again = Demo(chain.settings)
    again.run()
    assert chain.called()[3:] == ["train", "evaluation"]
    assert again.stages["train"].attempts == 3


def test_a_failed_stage_stops_with_name_code_and_log(chain: Chain) -> None:
    chain.train_code = "5"
    with pytest.raises(StageFailed, match=r"stage train failed with exit code 5; see .*demo/logs/train\.log"):
        Demo(chain.settings).run()
    assert chain.called() == ["train"]
    assert Demo(chain.settings).stages["train"].exit_code == 5


def test_a_trainer_that_stopped_early_is_a_failure(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Chain, "run_files", lambda _: {str(chain.settings.run / "run.json"): '{"steps": 9}'})
    with pytest.raises(StageFailed, match="unfinished"):
        Demo(chain.settings).run()


def test_a_missed_gate_is_a_result_and_is_remembered(chain: Chain) -> None:
    chain.evaluate_code = "print('gate: the score must be over 0.5, got 0.1') or 1"
    for _ in range(2):
        assert Demo(chain.settings).run() == ["the score must be over 0.5, got 0.1"]
    assert chain.called().count("evaluation") == 1


def test_an_evaluation_that_breaks_is_no_missed_gate(chain: Chain) -> None:
    chain.evaluate_code = "1 if sys.stderr.write('Traceback: gate: not at the start of a line') else 1"
    with pytest.raises(StageFailed, match="stage evaluation failed with exit code 1"):
        Demo(chain.settings).run()


def test_a_foreign_memory_is_refused(chain: Chain) -> None:
    chain.settings.out.mkdir()
    (chain.settings.out / "demo.json").write_text("[1]")
    with pytest.raises(UsageError, match="no demo's memory"):
        Demo(chain.settings)


def test_commands_are_those_a_user_would_type(tmp_path: Path) -> None:
    settings = DemoSettings(out=tmp_path, data_overrides=("sequences=64",), train_overrides=("steps=3",))
    commands = Commands(settings)
    data = " ".join(commands.data("http://127.0.0.1:1234"))
    assert data.startswith("ray job submit --address http://127.0.0.1:1234 --working-dir .")
    assert data.endswith(f"-- python -m datagen run --recipe tiny --out {tmp_path}/data --set sequences=64")
    train = " ".join(commands.train())
    assert train.startswith("torchrun --standalone --nproc-per-node 2 trainer/main.py --recipe tiny")
    assert train.endswith("--set steps=3")
    evaluate = commands.evaluate()
    assert [evaluate[at + 1] for at, word in enumerate(evaluate) if word == "--suite"] == list(SUITES)
    assert evaluate[-1] == "--gate"


def test_incomplete_data_is_noticed(tiny_dataset: str, tmp_path: Path) -> None:
    from tests.conftest import SMALL  # the overrides it was made with

    settings = DemoSettings(out=tmp_path, data_overrides=SMALL)
    assert not stages.complete(settings)
    (tmp_path / "data").symlink_to(tiny_dataset, target_is_directory=True)
    assert stages.complete(settings)
    assert not stages.complete(DemoSettings(out=tmp_path, data_overrides=(*SMALL[1:], "sequences=192")))
    assert not stages.complete(DemoSettings(out=tmp_path, data_overrides=(*SMALL, "seed=5")))


def test_the_report_holds_all_it_shows(tmp_path: Path, example_run: Callable[[Path], Path]) -> None:
    settings = DemoSettings(out=tmp_path)
    example_run(settings.run)
    settings.evaluation.mkdir()
    (settings.evaluation / "table.txt").write_text("small <b> 0.74")
    shown = pictures(settings)
    assert [path.name for path in shown] == ["training.png"]
    text = write_report(settings, [("machine", "2 cores <x>")], ["too low & slow"], shown).read_text()
    assert "small &lt;b&gt; 0.74" in text
    assert "2 cores &lt;x&gt;" in text
    assert "too low &amp; slow" in text
    assert text.count("data:image/png;base64,") == 1
    assert re.findall(r'(?:src|href)="(?!data:)', text) == []
