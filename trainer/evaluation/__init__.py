"""In-context evaluation: a frozen agent and baselines on the same unseen worlds, scored by step and episode.

Reading order: ``task`` and ``suites/`` (which worlds), ``prepared`` (a suite made ready for an agent), ``arena`` (all
its worlds side by side), ``play`` (everyone's steps as records), ``reference`` (what oracle and random play earn),
``tally`` and ``score`` (records to numbers), ``baselines/``, ``run`` (all of it for one suite), ``report/``.
"""
