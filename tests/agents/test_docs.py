"""The code in docs/agents.md runs, and what it says about FrozenLake is so."""

import re
from pathlib import Path

from common.agents import behaviour
from common.agents.kinds import AnyBehaviour

TEXT = (Path(__file__).parents[2] / "docs" / "agents.md").read_text(encoding="utf-8")


def test_the_examples_run_and_both_learners_reach_the_goal(capsys):
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(compile(block, "docs/agents.md", "exec"), names)
    printed = capsys.readouterr().out
    shares = [float(share) for share in re.findall(r"0\.\d+|1\.0", printed.splitlines()[0])]
    assert len(shares) == 2
    assert min(shares) > 0.6, printed
    slippery = names["gym"].make("FrozenLake-v1")
    found = names["train"](behaviour("model-based", gamma=0.95, optimism=0.05), slippery, 600)
    assert sum(found[-200:]) / 200 > 0.4


def test_every_kind_and_setting_is_in_the_table():
    rows = {row.split("|")[1].strip(" `"): row for row in TEXT.splitlines() if row.startswith("| `")}
    kinds = {kind.model_fields["kind"].default: kind for kind in AnyBehaviour.__args__[0].__args__}
    assert set(rows) == set(kinds)
    for name, kind in kinds.items():
        settings = set(kind.model_fields) - {"kind", "weight", "preset"}
        assert settings <= set(re.findall(r"`([a-z_]+)`", rows[name])), name
