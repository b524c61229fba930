"""The AnyMDP family: banded random worlds with ascending values, sampled until one is worth learning."""
