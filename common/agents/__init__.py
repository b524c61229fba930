"""Tabular agents: behaviour policies, baselines and demonstrators as one piece of code."""

from common.agents.agent import TabularAgent
from common.agents.behaviour import Behaviour
from common.agents.kinds import AnyBehaviour, behaviour

__all__ = ["AnyBehaviour", "Behaviour", "TabularAgent", "behaviour"]
