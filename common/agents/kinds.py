"""The kinds of behaviour there are: settings by name, kernels by number. A new kind is one file and its lines here."""
# mypy: disable-error-code="no-untyped-def"

from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from common.agents import (
    distillation,
    explorers,
    jump_start,
    least_tried,
    model_based,
    oracle,
    q_learning,
    softmax,
    uniform,
)
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
    | least_tried.LeastTried
    | model_based.ModelBased
    | model_based.ModelBasedToOracle
    | distillation.NoiseDistillation
    | jump_start.JumpStart,
    Field(discriminator="kind"),
]
"""Settings of one behaviour, told apart by ``kind``."""

_ADAPTER: TypeAdapter[Any] = TypeAdapter(AnyBehaviour)
_Q_LEARNING, _ORACLE, _LEAST_TRIED = q_learning.QLearning.code, oracle.Oracle.code, least_tried.LeastTried.code
_MODEL_BASED, _DISTILLATION = model_based.ModelBased.code, distillation.NoiseDistillation.code
_JUMP_START, _SOFTMAX = jump_start.JumpStart.code, softmax.Softmax.code


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
def start(kind, rng, parameters, memory, symbol, n_actions, length):
    """Begin a sequence of ``length`` rows with freshly drawn ``parameters``: fill ``memory``.

    ``symbol``, (n_states,), is what shows each state: only the symbols' order is looked at.
    """
    n_states = symbol.shape[0]
    if kind == _ORACLE:
        oracle.start(rng, parameters, memory, n_states, n_actions, length)
    elif kind == _DISTILLATION:
        distillation.start(rng, parameters, memory, n_states, n_actions, length)
    elif kind == _JUMP_START:
        jump_start.start(rng, parameters, memory, symbol, n_actions, length)
    else:
        explorers.start(kind, rng, parameters, memory, symbol, n_actions, length)


@kernel(inline=True)
def choose(kind, rng, parameters, memory, optimal, state, step, n_actions):
    """Return the (action, tag) of one step."""
    if kind == _ORACLE:
        return oracle.choose(rng, parameters, memory, optimal, state, step, n_actions)
    if kind == _MODEL_BASED:
        return model_based.choose(rng, parameters, memory, optimal, state, step, n_actions)
    if kind == _Q_LEARNING:
        return q_learning.choose(rng, parameters, memory, optimal, state, step, n_actions)
    if kind == _SOFTMAX:
        return softmax.choose(rng, parameters, memory, optimal, state, step, n_actions)
    if kind == _DISTILLATION:
        return distillation.choose(rng, parameters, memory, optimal, state, step, n_actions)
    if kind == _JUMP_START:
        return jump_start.choose(rng, parameters, memory, optimal, state, step, n_actions)
    return explorers.choose(kind, rng, parameters, memory, optimal, state, step, n_actions)


@kernel(inline=True)
def learns(kind):
    """Return whether a kind of behaviour learns at all."""
    return kind in (_Q_LEARNING, _LEAST_TRIED, _MODEL_BASED, _JUMP_START)


@kernel(inline=True)
def learns_at_ends(kind):
    """Return whether what a kind of behaviour learns shows only once an episode has ended."""
    return kind == _MODEL_BASED


@kernel(inline=True)
def learn(kind, parameters, memory, state, action, reward, first, last, end, n_actions):
    """Take in steps of one episode, whoever acted: rows ``first`` to ``last`` - 1 of a record.

    ``state[last]`` is where the last of them led; ``end`` is what it did to the episode: 0, ``Tag.TERMINATED`` or
    ``Tag.TRUNCATED``. Actions are the world's own.
    """
    if kind == _Q_LEARNING:
        q_learning.learn(parameters, memory, state, action, reward, first, last, end, n_actions)
    elif kind == _MODEL_BASED:
        model_based.learn(parameters, memory, state, action, reward, first, last, end, n_actions)
    elif kind == _LEAST_TRIED:
        least_tried.learn(parameters, memory, state, action, reward, first, last, end, n_actions)
    elif kind == _JUMP_START:
        jump_start.learn(parameters, memory, state, action, reward, first, last, end, n_actions)
