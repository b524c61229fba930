"""What a dataset holds, written once: row layout, tags, special ids, array names and types, format version.

Row t is (o_t, a_t, r_t, tag_t) with r_t paid for a_t. At an episode's end one more row follows: (terminal or cut
observation, BREAK, 0, tag TERMINATED or TRUNCATED); then the next episode's first observation. See docs/dataset.md.
"""

from enum import IntEnum

import numpy as np

FORMAT_VERSION = 1
NO_SYMBOL_LABEL = 0
"""Value of ``oracle`` where there is no label: terminal states and unused symbols."""
MAX_ACTIONS = 64
"""The oracle's bit mask has at most 64 bits."""


class Tag(IntEnum):
    """Which kind of policy chose a row's action (paper, section 3), and how an episode ended."""

    ORACLE_0 = 0
    """Oracle of discount 0."""
    ORACLE_05 = 1
    """Oracle of discount .5."""
    ORACLE_093 = 2
    """Oracle of discount .93."""
    ORACLE_0994 = 3
    """Oracle of discount .994."""
    MODEL_BASED = 4
    Q_LEARNING = 5
    RANDOM = 6
    """A random policy, and every noise step of a noisy one."""
    UNKNOWN = 7
    """Never stored: the stream masks to it, and an agent shows its own actions as it."""
    TERMINATED = 8
    TRUNCATED = 9


TAGS = len(Tag)
DISCOUNTS = (0.0, 0.5, 0.93, 0.994)
"""Discounts of the oracles 0..3, in the order of ``Tag`` and of the array ``oracle``."""


def observation_type(vocabulary: int) -> np.dtype:
    """Return the smallest type of an observation symbol: uint8 to 256 symbols, uint16 above."""
    return np.dtype(np.uint8 if vocabulary <= 256 else np.uint16)


def oracle_type(n_actions: int) -> np.dtype:
    """Return the smallest unsigned type with a bit per action.

    Raises:
        ValueError: More than ``MAX_ACTIONS`` actions.
    """
    for bits in (8, 16, 32, 64):
        if n_actions <= bits:
            return np.dtype(f"uint{bits}")
    raise ValueError(f"a dataset's action vocabulary has at most {MAX_ACTIONS} actions, got {n_actions}")


def array_types(vocabulary: int, n_actions: int, hidden_state: bool = False) -> dict[str, np.dtype]:
    """Return name and type of every array of a dataset (break rows carry action id ``n_actions``).

    Where any family hides its state there is also ``state``, and ``oracle`` is indexed by it: the observation where
    nothing is hidden, else the hidden state, at break rows the terminal or cut one.
    """
    types = {
        "observation": observation_type(vocabulary),
        "action": np.dtype(np.uint8),
        "reward": np.dtype(np.float32),
        "tag": np.dtype(np.uint8),
        "oracle": oracle_type(n_actions),
    }
    if hidden_state:
        types["state"] = observation_type(vocabulary)
    return types
