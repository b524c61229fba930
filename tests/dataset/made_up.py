"""Small datasets of made-up numbers: for tests of the storage alone."""

import numpy as np

from common.dataset.header import Header
from common.dataset.schema import array_types


def header(**changes):
    values = {
        "sequences": 12,
        "length": 20,
        "sequences_per_shard": 4,
        "vocabulary": 6,
        "actions": 3,
        "recipe": {"name": "made-up", "seed": 0, "length": 20},
        "identity": "0" * 64,
        "label": "oracle",
    }
    return Header(**{**values, **changes})


def shard_arrays(head, shard, seed=0):
    rng = np.random.default_rng([seed, shard])
    n = head.sequences_per_shard
    out = {}
    for name, dtype in array_types(head.vocabulary, head.actions).items():
        shape = head.shard_shape(name)
        high = {"observation": head.vocabulary, "action": head.actions + 1, "tag": 7, "oracle": 2**head.actions}
        if name == "reward":
            out[name] = rng.standard_normal(shape).astype(dtype)
        else:
            out[name] = rng.integers(0, high[name], shape).astype(dtype)
        assert out[name].shape[0] == n
    return out


def shard_rows(head, shard):
    n = head.sequences_per_shard
    return [
        {
            "sequence": i,
            "family": "garnet" if i % 2 else "bandit",
            "version": 1,
            "parameters": '{"n_states": 4}',
            "seed": 2**64 - 1 - i,
            "n_s": 4,
            "n_a": 2,
            "behaviours": [(0, "random"), (7, "oracle")],
            "action_map": [0, 1, 1],
            "episodes": 2,
            "return": 0.5,
            "oracle_value": 1.0,
            "random_value": -1.0,
            "rejections": {"gap": 1} if i % 2 else {},
            "symbol": [3, 1, 0, 2],
        }
        for i in range(shard * n, (shard + 1) * n)
    ]
