"""README's example of the bundled agent on FrozenLake: twenty lines at most, it runs, and what it shows is learning."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_example_runs_and_ends_episodes() -> None:
    (text,) = re.findall(r"<!-- agent -->\n```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(text.strip().splitlines()) <= 20
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", text], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^step +\d+, episode +\d+: ", done.stdout, re.MULTILINE)) > 5
