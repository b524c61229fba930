"""What is shown: one page without anything beside it, the paper's table, films; suites that do not fit are named."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from trainer.checkpoints import export_model
from trainer.evaluation.__main__ import main
from trainer.evaluation.report import paper
from trainer.model import Model, ModelConfig


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation of an untrained model, of suites of each kind and one that does not fit."""
    folder = tmp_path_factory.mktemp("report")
    agent = folder / "untrained.safetensors"
    export_model(Model(ModelConfig(vocabulary=60, actions=5, width=8, layers=1, heads=1)), agent, {"dataset": {}})
    suites = ("frozenlake", "garnet-16", "pendulum-g5", "taxi")
    chosen = [word for name in suites for word in ("--suite", name)]
    how = ["--worlds", "6", "--steps", "250", "--protocol", "paper", "--episode-cap", "50", "--shaping", "none"]
    assert main(["--agent", str(agent), *chosen, *how, "--out", str(folder / "out")]) == 0
    return folder / "out"


def test_a_suite_that_does_not_fit_is_skipped_with_its_reason(out: Path) -> None:
    told = json.loads((out / "results.json").read_text())
    assert list(told["suites"]) == ["frozenlake", "garnet-16", "pendulum-g5"]
    assert told["skipped"] == {
        "taxi": "world taxi shows 500 symbols and the agent's vocabulary has 60; "
        "take an agent trained on a larger vocabulary, or a smaller suite"
    }
    assert "taxi: skipped: world taxi shows 500" in (out / "table.txt").read_text()


def test_the_protocol_is_recorded(out: Path) -> None:
    for name, entry in json.loads((out / "results.json").read_text())["suites"].items():
        settings = entry["settings"]
        assert settings["protocol"] == {"shaping": "none", "episode_cap": 50}
        assert settings["shaping"] is None
        assert (settings["agent"]["temperature"], settings["agent"]["temperature_steps"]) == (0.5, 0)
        assert (settings["agent"]["folding"], settings["agent"]["own_tag"]) == ("modulo", 7)
        assert entry["references"]["how"].startswith("measured" if name == "pendulum-g5" else "exact")
        entropy = entry["model"]["entropy_by_step"]
        assert all(0.0 <= point["mean"] <= 1.0 for point in entropy)
        assert entry["model"]["regret"] == pytest.approx(entry["model"]["regret_by_step"][-1]["mean"])


def test_every_episode_is_there(out: Path) -> None:
    told = json.loads((out / "results.json").read_text())["suites"]["frozenlake"]
    episodes = json.loads((out / "episodes-frozenlake.json").read_text())
    assert set(episodes) == {"model", *told["baselines"]}
    for player, columns in episodes.items():
        entry = told["model"] if player == "model" else told["baselines"][player]
        assert {len(values) for values in columns.values()} == {entry["episodes"]}
        assert max(columns["steps"]) <= 50
        # nothing is shaped here, and success is what pays
        assert columns["total"] == columns["shown"] == [float(done) for done in columns["success"]]
        for world in range(6):
            mine = [i for i, w in enumerate(columns["world"]) if w == world]
            ends = [columns["first"][i] + columns["steps"][i] for i in mine]
            assert [columns["first"][i] for i in mine] == [0, *ends[:-1]]


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "iframe")
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_stands_alone(out: Path) -> None:
    text = (out / "report.html").read_text()
    links = _Links()
    links.feed(text)
    assert len(links.sources) >= 3 * 4
    assert all(source.startswith(("data:image/png;base64,", "data:image/gif;base64,")) for source in links.sources)
    assert "http" not in re.sub(r"base64,[^']*", "", text)
    assert "FrozenLake, not slippery" in text and "99.8 / 0.3K / 35" in text
    assert "--protocol paper" in text


def test_films_show_an_episode(out: Path) -> None:
    for name in ("frozenlake", "garnet-16", "pendulum-g5"):
        with Image.open(out / f"first-episode-{name}.gif") as film:
            assert 2 <= film.n_frames <= 51


def test_the_papers_table_takes_several_agents(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main is not None
    assert paper.main([str(out), str(out / "results.json")]) == 0
    printed = capsys.readouterr().out
    assert "Pendulum g=5" in printed and "families unknown" in printed
    assert printed.count("$ python -m trainer.evaluation --agent") == 2
    assert paper.main([str(out / "nothing")]) == 2
    assert [paper.short(n) for n in (845, 2000, 36_300, 1_100_000)] == ["845", "2.0K", "36.3K", "1.1M"]
    headings, lines = paper.rows([paper.read(out)])
    assert len({len(line) for line in lines} | {len(headings)}) == 1
