"""README's example of an agent on FrozenLake: twenty lines at most, and it runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

from trainer.checkpoints import export_model
from trainer.model import Model, ModelConfig

ROOT = Path(__file__).parents[2]


def test_the_example_runs_with_any_agent(tmp_path: Path) -> None:
    (text,) = re.findall(r"<!-- agent -->\n```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(text.strip().splitlines()) <= 20
    untrained = tmp_path / "untrained.safetensors"
    export_model(Model(ModelConfig(vocabulary=16, actions=5, width=16, layers=1)), untrained)
    text = text.replace("runs/tiny", str(untrained))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", text], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^step +\d+, episode +\d+: ", done.stdout, re.MULTILINE)) > 5
