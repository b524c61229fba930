import numpy as np
import pytest

from common.synthesis.generate import generate
from common.synthesis.recipe import Recipe, load
from common.synthesis.sequences import Sequences
from common.worlds import World


@pytest.fixture(scope="session")
def tiny() -> Recipe:
    return load("tiny")


@pytest.fixture(scope="session")
def batch(tiny) -> Sequences:
    """The first 200 sequences of ``tiny``: every family and behaviour is among them. Read only."""
    return generate(tiny, 0, 200)


@pytest.fixture(scope="session")
def maze() -> World:
    """Five states, three actions, made by hand: exact ties, noise, two starts, a goal, a fractional cap."""
    n, a = 5, 3
    transition, reward, noise = np.zeros((n, a, n)), np.zeros((n, a, n)), np.zeros((n, a, n))
    for s in range(4):
        transition[s, 0, s + 1] = transition[s, 1, s + 1] = 1.0  # two ways on, exactly alike
        transition[s, 2, max(s - 1, 0)], transition[s, 2, s] = 0.75, 0.25
    transition[0, 2] = [1.0, 0, 0, 0, 0]
    reward[:, :, 4] = 1.0
    noise[2, 0, 3] = 0.5
    return World.from_dense(transition, reward, noise, [0, 1], [0.25, 0.75], [4], 6.5)
