"""Requests that cannot be carried out are refused by name with exit code 2, and nothing is touched."""

import json
import shutil

import pytest

from common.synthesis.recipe import names
from datagen.__main__ import main
from tests.conftest import SMALL


def run(out, *arguments, recipe="tiny", overrides=SMALL):
    sets = [word for override in overrides for word in ("--set", override)]
    return main(["run", "--recipe", recipe, "--out", str(out), "--executor", "inline", *sets, *arguments])


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_unknown_recipe_is_refused_with_the_names_that_exist(tmp_path, capsys):
    assert run(tmp_path / "d", recipe="enormous") == 2
    error = capsys.readouterr().err
    assert "unknown recipe 'enormous'" in error and all(name in error for name in names()) and "tiny" in names()
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("lenght=64", "setting 'lenght' does not exist; settings here are"),
        ("length=soon", "setting 'length'"),
        ("sequences=-1", "setting 'sequences'"),
        ("seed=1.5", "setting 'seed'"),
        ("length", "--set takes key=value"),
        ("families.99.weight=1", "must be an index from 0 to"),
    ],
)
def test_an_unknown_or_ill_typed_setting_is_refused(tmp_path, capsys, override, message):
    assert run(tmp_path / "d", overrides=(*SMALL, override)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("override", "difference"),
    [
        ("seed=7", "seed: 0 there, 7 asked for"),
        ("length=65", "length: 64 there, 65"),
        ("sequences=104", "sequences: 96"),
    ],
)
def test_an_out_that_holds_another_dataset_is_refused(tmp_path, tiny_dataset, capsys, override, difference):
    shutil.copytree(tiny_dataset, tmp_path / "d")
    before = content(tmp_path / "d")
    assert run(tmp_path / "d", overrides=(*SMALL, override)) == 2
    error = capsys.readouterr().err
    assert "holds another dataset" in error and difference in error
    assert content(tmp_path / "d") == before


def test_another_format_version_is_refused(tmp_path, tiny_dataset, capsys):
    shutil.copytree(tiny_dataset, tmp_path / "d")
    document = json.loads((tmp_path / "d/zarr.json").read_text())
    document["attributes"]["format_version"] = 0
    (tmp_path / "d/zarr.json").write_text(json.dumps(document))
    for command in (lambda: run(tmp_path / "d"), lambda: main(["verify", str(tmp_path / "d")])):
        assert command() == 2
        assert "format version 0, this software reads version 1" in capsys.readouterr().err


def test_a_dataset_that_does_not_fit_is_refused(tmp_path, capsys):
    assert run(tmp_path / "d", overrides=("sequences=100000000000",)) == 2
    assert "GB free" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_a_relative_out_is_refused_in_a_submitted_job(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    assert run("here") == 2
    assert "absolute path, got 'here'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_command_with_an_example(capsys):
    for arguments, words in (
        (["--help"], ("run", "plan", "status", "verify", "bench")),
        (["run", "--help"], ("examples:",)),
    ):
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        assert exit_.value.code == 0
        text = capsys.readouterr().out
        assert all(word in text for word in (*words, "python -m datagen"))
