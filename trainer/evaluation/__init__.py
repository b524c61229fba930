"""In-context evaluation: a frozen agent and tabular baselines on the same unseen worlds, scored by step and episode.

Reading order: ``suites`` (which worlds), ``play`` (everyone's steps as one record), ``reference`` (exact random and
oracle returns), ``score`` (records to numbers), ``baselines``, ``run`` (all of it for one suite), ``report``.
"""
