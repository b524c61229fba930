"""The family of docs/extending.md, in a process of its own: registering it here would add it to other tests."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_documentation_runs(tmp_path):
    text = (ROOT / "docs" / "extending.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == text.count("```") // 2 == 3
    told = "\nprint(sample_world('ring', seed=1).family, len(sequences))\n"
    file = tmp_path / "extending.py"
    file.write_text("\n".join(blocks) + told)
    command = [sys.executable, "-W", "error", str(file)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["ring", "16"]


def test_the_file_of_the_example_alone_is_a_family(tmp_path):
    """One file and one registration: nothing else of the documentation is needed."""
    block = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "extending.md").read_text(), re.DOTALL)[0]
    (tmp_path / "ring.py").write_text(block)
    code = (
        "import ring\n"
        "from common.errors import UsageError\n"
        "from common.worlds import sample_world\n"
        "from common.worlds.registry import families\n"
        "assert 'ring' in families()\n"
        "a, b = (sample_world('ring', seed=5, n_states=7, vocabulary=9) for _ in range(2))\n"
        "assert (a.cumulative == b.cumulative).all() and (a.symbol == b.symbol).all()\n"
        "try:\n"
        "    sample_world('ring', seed=5, n_states=7, vocabulary=6)\n"
        "except UsageError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"},
    )
    assert done.returncode == 0, done.stderr
    assert "vocabulary must be at least n_states = 7, got 6; raise it" in done.stdout
