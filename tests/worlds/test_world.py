import numpy as np
import pytest

from common.worlds import World


def two_states(**changes):
    """Arguments of a world with a live state 0 and a terminal state 1, some of them changed."""
    arguments = {
        "transition": np.array([[[0.25, 0.75], [1.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]]),
        "reward": np.array([[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]]),
        "reward_noise": np.full((2, 2, 2), 0.5),
        "start_states": [0],
        "start_probabilities": [1.0],
        "terminal_states": [1],
        "max_steps": 7.5,
    }
    return {**arguments, **changes}


def test_dense_rows_become_sorted_sparse_rows():
    world = World.from_dense(**two_states())
    assert world.row_start.tolist() == [0, 2, 3, 3, 3]
    assert world.successor.tolist() == [1, 0, 0]
    assert world.probability.tolist() == [0.75, 0.25, 1.0]
    assert world.cumulative.tolist() == [0.75, 1.0, 1.0]
    assert world.reward.tolist() == [2.0, 1.0, 3.0]
    assert world.episode_limit == 8


def test_round_trip_through_dense_form_is_exact(tasks, reference_worlds):
    for task, world in zip(tasks, reference_worlds, strict=True):
        dense = world.to_dense()
        assert np.array_equal(dense["transition"], task["transition"])
        assert np.array_equal(dense["reward"], task["reward"])
        assert np.array_equal(dense["reward_noise"], task["reward_noise"])
        assert np.array_equal(dense["start_states"], task["s_0"])
        assert np.array_equal(dense["start_probabilities"], task["s_0_prob"])
        assert np.array_equal(dense["terminal_states"], np.sort(task["s_e"]))
        assert dense["max_steps"] == float(task["max_steps"])


def test_sampled_worlds_survive_the_round_trip(easy_worlds):
    for world in easy_worlds:
        again = World.from_dense(**world.to_dense())
        for name in ("row_start", "successor", "probability", "reward", "noise", "terminal"):
            assert np.array_equal(getattr(again, name), getattr(world, name)), name


def test_arrays_are_read_only():
    world = World.from_dense(**two_states())
    with pytest.raises(ValueError, match="read-only"):
        world.reward[0] = 1.0


def test_what_was_given_stays_the_callers():
    given = two_states(start_probabilities=np.array([1.0]))
    world = World.from_dense(**given)
    for array in (given["transition"], given["reward"], given["start_probabilities"]):
        array[:] = 0.0
    assert world.start_probabilities.tolist() == [1.0]
    assert world.to_dense()["reward"][0, 0].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"transition": np.zeros((2, 2, 3))}, r"shape \(n, a, n\)"),
        ({"transition": np.full((2, 2, 2), 0.5)}, r"row \(1, 0\) must sum to 0 \(terminal state\)"),
        ({"transition": np.zeros((2, 2, 2))}, r"row \(0, 0\) must sum to 1 \(live state\)"),
        ({"reward": np.zeros((2, 2, 1))}, "reward must have transition's shape"),
        ({"reward": np.full((2, 2, 2), np.nan)}, "reward must be finite"),
        ({"reward_noise": np.full((2, 2, 2), -1.0)}, "must not be negative"),
        ({"start_states": [2]}, r"start_states must lie in 0\.\.1"),
        ({"start_states": [1]}, "must not be terminal"),
        ({"start_probabilities": [0.5]}, "sum to 1"),
        ({"terminal_states": [5]}, r"terminal_states must lie in 0\.\.1"),
        ({"terminal_states": [0.5]}, r"terminal_states must be integers, got .*flatnonzero"),
        ({"start_states": [True, False]}, "start_states must be integers, got bool"),
        ({"start_states": []}, "one per start state and sum to 1"),
        ({"start_probabilities": [0.5, 0.5]}, "one per start state"),
        ({"start_probabilities": [-1.0]}, "start_probabilities must not be negative, got -1.0; raise"),
        ({"start_probabilities": ["sure"]}, "must be an array of real numbers, got type"),
        ({"transition": np.full((2, 2, 2), -0.5)}, "transition must not be negative, got -0.5"),
        ({"transition": [[1.0], [1.0, 2.0]]}, "transition must be an array of real numbers"),
        ({"reward": np.zeros((2, 2, 2), dtype=complex)}, "reward must be an array of real numbers, got type complex"),
        ({"max_steps": 0.0}, "max_steps must be finite and over 0"),
        ({"max_steps": np.inf}, "max_steps must be finite and over 0, got inf; an episode"),
        ({"max_steps": "many"}, "max_steps must be finite and over 0, got 'many'"),
    ],
)
def test_bad_arrays_are_refused_with_the_rule(changes, message):
    with pytest.raises(ValueError, match=message):
        World.from_dense(**two_states(**changes))
