"""The same sequences under other names: observation symbols and action ids permuted, labels with them.

Names carry no meaning: which symbol shows a state and which id an action is drawn for every world. So a sequence under
other names is as good as one from another world to a model that must not know any name by heart.

Shapes: B sequences, T rows, V symbols, A actions, D discounts.
"""

import numpy as np

from trainer.tokens import Rows


def relabelled(rows: Rows, actions: int, random: np.random.Generator) -> Rows:
    """Return each sequence under symbols and ids of its own drawing; rewards, tags and breaks stay.

    Args:
        rows: Sequences whose states are seen (``state`` is None), of one symbol an observation.
        actions: A, also the id of BREAK.
        random: Draws the names.
    """
    count, vocabulary = len(rows.action), rows.oracle.shape[-1]
    symbol_BV = random.permuted(np.tile(np.arange(vocabulary), (count, 1)), axis=1)
    id_BA = random.permuted(np.tile(np.arange(actions), (count, 1)), axis=1)
    with_break = np.concatenate([id_BA, np.full((count, 1), actions)], axis=1)
    bit_BDVA = (rows.oracle[..., None] >> np.arange(actions, dtype=rows.oracle.dtype)) & rows.oracle.dtype.type(1)
    moved = (bit_BDVA << id_BA[:, None, None, :].astype(rows.oracle.dtype)).sum(axis=-1, dtype=rows.oracle.dtype)
    oracle = np.empty_like(rows.oracle)
    np.put_along_axis(oracle, np.broadcast_to(symbol_BV[:, None], oracle.shape), moved, axis=2)
    return rows._replace(
        observation=np.take_along_axis(symbol_BV, rows.observation, axis=1).astype(rows.observation.dtype),
        action=np.take_along_axis(with_break, rows.action, axis=1).astype(rows.action.dtype),
        oracle=oracle,
    )
