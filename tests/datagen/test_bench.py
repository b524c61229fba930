"""The benchmark prints what it promises, and refuses what it cannot measure before it begins."""

import json
import sys

import pytest

from datagen import bench as module
from datagen.__main__ import main
from datagen.bench import growth, table
from datagen.comparison import compare, find

XENOVERSE = """
import random

class Environment:
    unwrapped = property(lambda self: self)
    def set_task(self, task): self.task = task
    def reset(self): return 0, {}
    def step(self, action): return 0, 0.0, random.random() < .1, False, {}

def make(*_, **__):
    return Environment()

def AnyMDPTaskSampler(state_space, action_space, min_state_space, seed):
    print("chatter")
    sum(range(100_000))
    return state_space, action_space
"""


@pytest.fixture(scope="module")
def facts():
    """A short benchmark of two sizes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LENGTH", 400)
        patch.setattr(module, "ENVIRONMENTS", 8)
        patch.setattr(module, "ENVIRONMENT_STEPS", 20)
        return module.bench([8, 20], 3, seconds=0.01)


def test_results_have_the_promised_shape(facts):
    assert {"machine", "results"} < set(facts)
    for row, states in zip(facts["results"], (8, 20), strict=True):
        assert set(row) == {"states", "actions", "steps_per_second", "tasks_per_second", "nanoseconds_per_step"}
        assert (row["states"], row["actions"]) == (states, 3)
        assert row["steps_per_second"] > 0.0 and row["tasks_per_second"] > 0.0
        assert set(row["nanoseconds_per_step"]) == {"sampling", "solving", "rollout"}
    assert facts["vector_environment"]["steps_per_second"] > 0.0 and facts["second_process_seconds"] > 0.0
    json.dumps(facts, allow_nan=False)


def test_the_table_names_machine_and_sizes(facts):
    lines = table(facts).splitlines()
    assert facts["machine"]["processor"] in lines[0]
    assert [line.split()[0] for line in lines[2:4]] == ["8", "20"]
    # of the two sizes one lies where growth is fitted: nothing to fit
    assert facts["sampling_growth_exponent"] is None and "states^" not in table(facts)


def test_growth_is_the_fitted_exponent():
    rows = [{"states": n, "tasks_per_second": 1e6 / n**1.2} for n in (16, 32, 128)]
    outside = [{"states": n, "tasks_per_second": 1.0} for n in (8, 256)]
    assert growth(rows + outside) == pytest.approx(1.2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--states", "3"], "at least 8"),
        (["--states", "16", "--actions", "65"], "actions"),
        (["--states", "16", "--xenoverse", "/nowhere/python"], "takes a Python to run"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments, message, capsys):
    assert main(["bench", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_python_without_xenoverse_is_refused(capsys):
    assert main(["bench", "--states", "16", "--xenoverse", sys.executable]) == 2
    assert "omnirl[compare]" in capsys.readouterr().err


def test_xenoverse_is_compared_where_it_is(facts, tmp_path, monkeypatch):
    (tmp_path / "xenoverse" / "anymdp").mkdir(parents=True)
    (tmp_path / "xenoverse" / "__init__.py").write_text("")
    (tmp_path / "xenoverse" / "anymdp" / "__init__.py").write_text(XENOVERSE)
    (tmp_path / "gymnasium.py").write_text("from xenoverse.anymdp import make\n")
    (tmp_path / "xenoverse-7.dist-info").mkdir()
    (tmp_path / "xenoverse-7.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: xenoverse\nVersion: 7\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    where = find(sys.executable)
    assert where == (sys.executable, "7")
    compared = compare(where, facts, 50)
    assert compared["version"] == "7"
    for ours, row in zip(facts["results"], compared["results"], strict=True):
        assert row["states"] == ours["states"]
        assert row["tasks_ratio"] == pytest.approx(ours["tasks_per_second"] / row["tasks_per_second"])
    assert "xenoverse 7, 20 states" in table({**facts, "xenoverse": compared})
