"""All that is to be said of an agent on one page, and its recipe's word on how it acts."""

import json
import re
from pathlib import Path

import pytest

from common.errors import DataError, UsageError
from common.synthesis import recipe as recipes
from trainer.acting import AgentSettings
from trainer.agent import Agent
from trainer.agents import located, names
from trainer.checkpoints import export_model
from trainer.evaluation.protocol import acting_of
from trainer.evaluation.whole import main
from trainer.model import Model, ModelConfig


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model whose training recipe says how it acts."""
    path = tmp_path_factory.mktemp("model") / "untrained.safetensors"
    data = {"identity": "i" * 64, "length": 120, "recipe": recipes.load("tiny").model_dump(mode="json")}
    card = {"digest": "d" * 64, "dataset": data, "recipe": {"acting": {"own_tag": 5, "temperature_floor": 0.3}}}
    export_model(Model(ModelConfig(vocabulary=16, actions=5, width=32, layers=2)), path, card)
    return path


def test_one_page_has_both_tables_and_every_baseline(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--agent", str(exported), "--suite", "anymdp-1", "--suite", "frozenlake", "--suite", "cliffwalking"]
    assert main([*words, "--worlds", "8", "--steps", "60", "--episodes", "2", "--out", str(tmp_path)]) == 0
    assert "cliffwalking is skipped: " in capsys.readouterr().err
    page = (tmp_path / "report.html").read_text()
    assert "Beside the paper&#x27;s Table 1" in page or "Beside the paper's Table 1" in page
    assert "99.8 / 0.3K / 35" in page, "the paper's figure"
    second = page.split("Table 2</h2>")[1].split("</table>")[0]
    assert re.findall(r"<tr class=''><td>(\S+?)</td><td>(\w+)</td>", second.replace("class='model'", "class=''")) == [
        ("frozenlake", demonstrator) for demonstrator in ("none", "random", "oracle")
    ]
    assert page.count("data:image/png;base64") >= 6 and "src='http" not in page
    told = json.loads((tmp_path / "results.json").read_text())
    assert set(told["suites"]) == {"anymdp-1", "frozenlake"} and set(told["skipped"]) == {"cliffwalking"}
    players = set(told["suites"]["frozenlake"]["baselines"])
    assert players >= {"random", "oracle", "posterior-sampling", "ucb-value-iteration", "conservative-q", "q-ucb"}
    shown = json.loads((tmp_path / "demonstrations.json").read_text())
    assert [line["demonstrator"] for line in shown["suites"]["frozenlake"]] == ["none", "random", "oracle"]


def test_bad_numbers_are_refused(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--agent", str(exported), "--worlds", "0", "--out", str(tmp_path / "new")]) == 2
    assert "--worlds" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_an_agent_acts_as_its_recipe_says_unless_a_protocol_or_a_setting_says_otherwise(exported: Path) -> None:
    told = Agent.load(exported).settings
    assert (told.own_tag, told.temperature_floor) == (5, 0.3)
    assert acting_of(exported, "default").own_tag == 5
    assert acting_of(exported, "default", {"own_tag": 6}).own_tag == 6
    assert acting_of(exported, "paper").own_tag == 7


def test_an_export_s_word_on_how_it_acts_goes_before_its_recipe_s() -> None:
    card = {"recipe": {"acting": {"own_tag": 5}}}
    assert AgentSettings.of(card).own_tag == 5
    assert AgentSettings.of(card | {"acting": {"own_tag": 6}}).own_tag == 6
    with pytest.raises(DataError, match="how the model acts"):
        AgentSettings.of({"acting": {"own_tag": 99}})


def test_a_bundled_agent_goes_by_its_name_and_files_go_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in names():
        assert located(name).is_file()
        assert Agent.load(name).settings == Agent.load(located(name)).settings
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    assert located("tiny") == Path("tiny")
    with pytest.raises(UsageError, match="nor a bundled agent"):
        Agent.load("nobody")
