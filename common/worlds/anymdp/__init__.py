"""The AnyMDP family: banded random worlds with ascending values, sampled until one is worth learning.

Reading order: ``ends``, ``transitions``, ``rewards``, ``acceptance``, ``sampler``, ``family``.
"""

from common.worlds.anymdp.family import ANYMDP, Parameters

__all__ = ["ANYMDP", "Parameters"]
