"""Tabular agents: behaviour policies, baselines and demonstrators as one piece of code."""
