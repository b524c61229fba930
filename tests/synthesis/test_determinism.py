"""Same seed, same bytes: in any order, batch and process, and whatever ran before."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from common.agents import behaviour
from common.seeding import Purpose
from common.synthesis.generate import generate, play
from common.synthesis.recipe import Recipe, load

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "synthesis.json"


def fingerprint(batch) -> str:
    """Return the digest of all arrays and catalog rows."""
    total = hashlib.sha256()
    for name, array in sorted({**batch.arrays(), "state": batch.state}.items()):
        total.update(f"{name} {array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    total.update(json.dumps(batch.rows, sort_keys=True).encode())
    return total.hexdigest()


def assert_equal(one, other):
    for name, array in one.arrays().items():
        np.testing.assert_array_equal(array, getattr(other, name), err_msg=name)
    np.testing.assert_array_equal(one.state, other.state)
    assert one.rows == other.rows


def test_a_batch_is_its_sequences(tiny):
    whole = generate(tiny, 0, 10)
    part = generate(tiny, 5, 3)
    for name, array in part.arrays().items():
        np.testing.assert_array_equal(array, getattr(whole, name)[5:8], err_msg=name)
    assert part.rows == whole.rows[5:8]
    assert len(generate(tiny, 7, 0)) == 0


def test_order_does_not_matter(tiny):
    ahead = [generate(tiny, i, 1) for i in range(8)]
    back = [generate(load("tiny"), i, 1) for i in reversed(range(8))][::-1]
    for one, other in zip(ahead, back, strict=True):
        assert_equal(one, other)


def test_nothing_of_what_ran_before_is_left(tiny):
    expected = generate(tiny, 20, 4)
    larger = Recipe.model_validate(
        {
            **tiny.model_dump(),
            "vocabulary": 300,
            "length": 900,
            "actions": 9,
            "seed": 5,
            "families": [{"family": "anymdp", "parameters": {"n_states": 64, "n_actions": 9}}],
        }
    )
    generate(larger, 0, 2)
    generate(tiny, 0, 3, Purpose.VALIDATE)
    assert_equal(generate(tiny, 20, 4), expected)


@pytest.mark.parametrize("garbage", [0xFF, 0x7F])
@pytest.mark.parametrize("name", ["tiny", "dpd"])
def test_memory_is_filled_before_it_is_read(monkeypatch, garbage, name):
    recipe = load(name, ["length=512"])
    expected = generate(recipe, 40, 30)
    real = np.empty

    def dirty(*arguments, **options):
        array = real(*arguments, **options)
        array.reshape(-1).view(np.uint8)[:] = garbage
        return array

    monkeypatch.setattr(np, "empty", dirty)
    batch = generate(recipe, 40, 30)
    monkeypatch.undo()
    assert_equal(batch, expected)


def test_another_process_gives_the_same_bytes(tiny):
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_determinism import fingerprint\n"
        "from common.synthesis.generate import generate\n"
        "from common.synthesis.recipe import load\n"
        "generate(load('tiny'), 100, 2)\n"
        "print(fingerprint(generate(load('tiny'), 3, 20)))\n"
    )
    command = [sys.executable, "-c", script, str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.strip() == fingerprint(generate(tiny, 3, 20))


def test_a_seed_or_purpose_changes_everything(tiny):
    prints = {
        fingerprint(generate(recipe, 0, 2, purpose))
        for recipe in (tiny, tiny.model_copy(update={"seed": 1}))
        for purpose in (Purpose.TRAIN, Purpose.VALIDATE, Purpose.EVALUATE)
    }
    assert len(prints) == 6


def golden_digests(maze) -> dict[str, str]:
    """Return the digests that are kept in ``tests/golden/synthesis.json``."""
    kinds = {
        "random": behaviour("random"),
        "softmax": behaviour("softmax", scale=[0.5, 2.0]),
        "drifting": behaviour("softmax", scale={"exponential": 2.0}, drift={"exponential": 1e-5}),
        "q-learning": behaviour("q-learning", epsilon=[0.0, 0.5], bonus=0.3),
        "q-learning-anymdp": behaviour("q-learning", preset="anymdp"),
        "noisy-oracle": behaviour("noisy-oracle", oracle=2),
        "near-optimal": behaviour("near-optimal"),
        "least-tried": behaviour("least-tried"),
        "model-based": behaviour("model-based", optimism=[0.01, 0.1], gamma=0.95, epsilon=0.1),
        "model-based-anymdp": behaviour("model-based", preset="anymdp"),
        "model-based-to-oracle": behaviour("model-based-to-oracle", oracle=1),
        "noise-distillation": behaviour("noise-distillation", curve="exponential"),
        "noise-distillation-power": behaviour("noise-distillation", curve="power", until=0.5),
        "jump-start": behaviour("jump-start", explorer={"kind": "q-learning", "preset": "anymdp"}),
        "jump-start-model": behaviour("jump-start", explorer={"kind": "model-based"}, curve="power", guided=[1, 2]),
    }
    digests = {name: fingerprint(play(maze, settings, 400, 11, actions=6)) for name, settings in kinds.items()}
    digests["tiny"] = fingerprint(generate(load("tiny"), 0, 48))
    digests["dpd"] = fingerprint(generate(load("dpd", ["length=2000"]), 0, 12))
    digests["tasks"] = fingerprint(generate(load("d-large", ["length=500", "tasks=3"]), 0, 9))
    return digests


def test_golden_digests(maze):
    """Bytes change only on purpose: raise SYNTHESIS_VERSION (or the family's) and write the file anew.

    ``python -m pytest tests/synthesis/test_determinism.py`` prints the new digests where they differ.
    """
    assert golden_digests(maze) == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}, marks=pytest.mark.slow, id="generic-cpu"),
        pytest.param({"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2,-AVX512F"}, id="glibc-without-fma"),
    ],
)
def test_golden_digests_hold_on_other_processors(environment):
    one = ["-k", "golden_digests and not other"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, *one],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
