"""A dataset's observations and actions as Gymnasium spaces, for software that asks for them."""

from gymnasium.spaces import Discrete, MultiDiscrete, Space

from common.dataset.header import Header


def spaces(header: Header) -> tuple[Space, Space]:
    """Return the spaces of observations and of actions; BREAK is no action."""
    tokens, symbols = header.observation_tokens, header.vocabulary
    observation = Discrete(symbols) if tokens == 1 else MultiDiscrete([symbols] * tokens)
    return observation, Discrete(header.actions)
