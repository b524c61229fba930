"""The kinds of behaviour there are: settings by name, kernels by number. A new kind is one file and its lines here."""
# mypy: disable-error-code="no-untyped-def"

from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from common.agents import least_tried, oracle, q_learning, softmax, uniform
from common.agents.behaviour import Behaviour
from common.errors import UsageError
from common.kernels import kernel

AnyBehaviour = Annotated[
    uniform.Random
    | softmax.Softmax
    | q_learning.QLearning
    | oracle.Oracle
    | oracle.NoisyOracle
    | oracle.NearOptimal
    | least_tried.LeastTried,
    Field(discriminator="kind"),
]
"""Settings of one behaviour, told apart by ``kind``."""

_ADAPTER: TypeAdapter[Any] = TypeAdapter(AnyBehaviour)
_SOFTMAX, _Q_LEARNING = softmax.Softmax.code, q_learning.QLearning.code
_ORACLE, _LEAST_TRIED = oracle.Oracle.code, least_tried.LeastTried.code


def behaviour(kind: str, **settings: Any) -> Behaviour:
    """Return the settings of a behaviour by its kind's name, checked.

    Raises:
        UsageError: The kind or a setting is unknown, or a value breaks its rule.
    """
    try:
        return _ADAPTER.validate_python({"kind": kind, **settings})
    except ValidationError as error:
        lines = [
            f"  {'.'.join(str(part) for part in e['loc'])}: {e['msg']}, got {e['input']!r}" for e in error.errors()
        ]
        raise UsageError(f"behaviour {kind!r} is refused:\n" + "\n".join(lines)) from None


@kernel(allocates=False)
def start(kind, rng, parameters, memory, n_states, n_actions, length):
    """Begin a sequence of ``length`` rows with freshly drawn ``parameters``: fill ``memory``."""
    if kind == _SOFTMAX:
        softmax.start(rng, parameters, memory, n_states, n_actions, length)
    elif kind == _Q_LEARNING:
        q_learning.start(rng, parameters, memory, n_states, n_actions, length)
    elif kind == _ORACLE:
        oracle.start(rng, parameters, memory, n_states, n_actions, length)
    elif kind == _LEAST_TRIED:
        least_tried.start(rng, parameters, memory, n_states, n_actions, length)


@kernel(inline=True)
def choose(kind, rng, parameters, memory, optimal, state, step, n_actions):
    """Return the (action, tag) of one step."""
    if kind == _SOFTMAX:
        return softmax.choose(rng, parameters, memory, optimal, state, step, n_actions)
    if kind == _Q_LEARNING:
        return q_learning.choose(rng, parameters, memory, optimal, state, step, n_actions)
    if kind == _ORACLE:
        return oracle.choose(rng, parameters, memory, optimal, state, step, n_actions)
    if kind == _LEAST_TRIED:
        return least_tried.choose(rng, parameters, memory, optimal, state, step, n_actions)
    return uniform.choose(rng, parameters, memory, optimal, state, step, n_actions)


@kernel(inline=True)
def learn(kind, parameters, memory, state, action, reward, next_state, end, n_actions):
    """Take in one step, whoever acted; ``end`` is 0, ``Tag.TERMINATED`` or ``Tag.TRUNCATED``."""
    if kind == _Q_LEARNING:
        q_learning.learn(parameters, memory, state, action, reward, next_state, end, n_actions)
    elif kind == _LEAST_TRIED:
        least_tried.learn(parameters, memory, state, action, reward, next_state, end, n_actions)
