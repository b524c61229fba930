"""Behaviours that know nothing of the world beforehand, as one: settings by name, kernels by number."""
# mypy: disable-error-code="no-untyped-def"

from typing import Annotated

from pydantic import Field

from common.agents import least_tried, model_based, q_learning, softmax, uniform
from common.kernels import kernel

Explorer = Annotated[
    uniform.Random | softmax.Softmax | q_learning.QLearning | model_based.ModelBased | least_tried.LeastTried,
    Field(discriminator="kind"),
]
"""Settings of one of them, told apart by ``kind``."""
_SOFTMAX, _Q_LEARNING = softmax.Softmax.code, q_learning.QLearning.code
_LEAST_TRIED, _MODEL_BASED = least_tried.LeastTried.code, model_based.ModelBased.code


@kernel(allocates=False)
def start(kind, rng, parameters, memory, symbol, n_actions, length):
    """Begin a sequence of ``length`` rows with freshly drawn ``parameters``: fill ``memory``."""
    n_states = symbol.shape[0]
    if kind == _SOFTMAX:
        softmax.start(rng, parameters, memory, n_states, n_actions, length)
    elif kind == _Q_LEARNING:
        q_learning.start(rng, parameters, memory, n_states, n_actions, length)
    elif kind == _LEAST_TRIED:
        least_tried.start(rng, parameters, memory, n_states, n_actions, length)
    elif kind == _MODEL_BASED:
        model_based.start(rng, parameters, memory, symbol, n_actions, length)


@kernel(allocates=False)
def choose(kind, rng, parameters, memory, optimal, state, step, n_actions):
    """Return the (action, tag) of one step."""
    if kind == _SOFTMAX:
        return softmax.choose(rng, parameters, memory, optimal, state, step, n_actions)
    if kind == _Q_LEARNING:
        return q_learning.choose(rng, parameters, memory, optimal, state, step, n_actions)
    if kind == _LEAST_TRIED:
        return least_tried.choose(rng, parameters, memory, optimal, state, step, n_actions)
    if kind == _MODEL_BASED:
        return model_based.choose(rng, parameters, memory, optimal, state, step, n_actions)
    return uniform.choose(rng, parameters, memory, optimal, state, step, n_actions)


@kernel(allocates=False)
def learn(kind, parameters, memory, state, action, reward, first, last, end, n_actions):
    """Take in the steps of rows ``first`` to ``last`` - 1 of a record, whoever acted; see ``kinds.learn``."""
    if kind == _Q_LEARNING:
        q_learning.learn(parameters, memory, state, action, reward, first, last, end, n_actions)
    elif kind == _LEAST_TRIED:
        least_tried.learn(parameters, memory, state, action, reward, first, last, end, n_actions)
    elif kind == _MODEL_BASED:
        model_based.learn(parameters, memory, state, action, reward, first, last, end, n_actions)
