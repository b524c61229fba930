"""docs/training.md does what it says: its examples run, and the tests and recipes it names exist."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.config import RECIPES, load
from trainer.main import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"<!-- run -->\n```bash\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_runs(text: str, tmp_path: Path) -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euc", text], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0 and "total" in done.stdout, done.stdout + done.stderr


def test_the_tests_it_names_exist() -> None:
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", PAGE))
    assert len(named) >= 6 and all((ROOT / name).is_file() for name in named)


def test_the_recipes_it_names_have_the_sizes_it_says(capsys) -> None:
    for name, said in re.findall(r"^\| `([\w-]+)` \| ([\d.,]+M?) \|", PAGE, re.MULTILINE):
        assert (RECIPES / f"{name}.toml").is_file()
        data = {"tiny": "tiny", "small": "d-small", "paper": "d-large"}[name]
        assert main(["--recipe", name, "--data", f"recipe:{data}", "--plan", "1", "--json"]) == 0
        count = json.loads(capsys.readouterr().out)["parameters"]
        assert said in (f"{count:,}", f"{count / 1e6:.1f}M")


def test_the_settings_it_names_exist() -> None:
    sections = ("optimiser", "loss", "augment", "guard", "validation", "on_policy", "data", "telemetry", "parallel")
    config = load("tiny")
    for section, name in re.findall(rf"`({'|'.join(sections)})\.(\w+)", PAGE):
        assert name in type(getattr(config, section)).model_fields, f"{section}.{name}"
