"""``python -m trainer.evaluation.bench``: how fast an agent plays, and that its memory does not grow with its context.

Environment steps a second in thousands of worlds at once, from an empty context and with a full window; and one agent's
context of a million steps, read as a demonstration and then played on from, with the bytes it carries early and late.
"""

import argparse
import os
import platform
import resource
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from common import cli
from common.agents.kinds import behaviour
from common.dataset.schema import Tag
from common.errors import UsageError
from common.synthesis.generate import play as generate
from trainer import config as configs
from trainer.agent import Agent
from trainer.evaluation.play import pieces
from trainer.evaluation.prepared import Prepared
from trainer.evaluation.run import prepare
from trainer.evaluation.suites import suite
from trainer.evaluation.tally import Tally
from trainer.model import Model, ModelConfig

VOCABULARY, ACTIONS = 16, 5
"""Of an untrained agent: those of the recipe ``tiny``."""
FULL_STEPS = 128
"""Steps in each world with a full window."""
CHUNK = 8192
"""Rows of the demonstration that are read at a time."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = cli.parser(
        "python -m trainer.evaluation.bench",
        "Measure how fast an agent plays in context, and how much it carries after a long one.",
        [
            "python -m trainer.evaluation.bench --threads 2",
            "python -m trainer.evaluation.bench --run runs/tiny --worlds 2048 --context 1000000 --json",
        ],
    )
    parser.add_argument("--run", help="a run's folder or an exported file; an untrained model of --recipe unless given")
    parser.add_argument("--recipe", default="tiny", help="training recipe of the untrained model (tiny)")
    parser.add_argument("--suite", default="small", help="worlds to play in (small)")
    parser.add_argument("--worlds", type=int, default=1024, help="worlds at once (1024)")
    parser.add_argument("--steps", type=int, default=512, help="environment steps in each (512)")
    parser.add_argument("--context", type=int, default=1_000_000, help="rows of the one long context (1000000)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (2)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return cli.run(_command, parser.parse_args(arguments))


def _command(options: argparse.Namespace) -> None:
    if min(options.worlds, options.steps, options.context, options.threads) < 1:
        raise UsageError("--worlds, --steps, --context and --threads must be at least 1")
    chosen = suite(options.suite)
    torch.set_num_threads(options.threads)
    agent = Agent.load(options.run) if options.run else Agent(_untrained(options.recipe))
    on = prepare(agent, chosen, options.worlds, options.steps)
    window = agent.model.config.window
    facts = {
        "machine": {"cpus": os.cpu_count(), "processor": platform.processor() or platform.machine()},
        "agent": str(options.run or f"untrained, recipe {options.recipe}"),
        "parameters": agent.model.parameter_count(),
        "threads": options.threads,
        "many": many(agent, on),
        "full": many(agent, prepare(agent, chosen, options.worlds, min(options.steps, FULL_STEPS)), window),
        "long": long(agent, prepare(agent, chosen, 1, options.steps), options.context),
    }
    if options.json:
        cli.print_json(facts)
        return
    wide, full, deep = facts["many"], facts["full"], facts["long"]
    print(f"{facts['agent']}, {facts['parameters']:,} parameters, {options.threads} threads")
    print(f"many worlds  {wide['worlds']:,} x {wide['steps']:,} steps: {wide['steps_per_second']:,} steps/s")
    print(f"             {wide['steps_per_cpu_second']:,} steps per CPU second")
    print(f"full window  after {full['filled']:,} rows in each: {full['steps_per_second']:,} steps/s")
    print(f"             {full['steps_per_cpu_second']:,} steps per CPU second")
    print(f"one context  {deep['rows']:,} rows read at {deep['rows_per_second']:,} rows/s, then played on from")
    print(f"             {deep['bytes_early']:,} bytes carried after {deep['early']:,} rows,")
    print(f"             {deep['bytes_late']:,} bytes at the end")
    print(f"peak memory  {facts['many']['peak_bytes']:,} bytes after many worlds, {deep['peak_bytes']:,} at the end")


def many(agent: Agent, on: Prepared, filled: int = 0) -> dict[str, Any]:
    """Play all worlds of a suite at once, after ``filled`` rows of anything; return steps a second by both clocks."""
    arena = on.arena()
    agent.reset(len(arena.n_actions), arena.n_actions)
    if filled:
        agent.prefill(*_anything(agent, arena.n_actions, filled))
    started, busy = time.perf_counter(), time.process_time()
    Tally(on.references, on.steps).add_all(pieces(agent, arena, on.steps))
    taken = len(arena.n_actions) * on.steps
    return {
        "worlds": on.worlds,
        "steps": on.steps,
        "filled": filled,
        "steps_per_second": round(taken / (time.perf_counter() - started)),
        "steps_per_cpu_second": round(taken / (time.process_time() - busy)),
        "carried_bytes": carried(agent),
        "peak_bytes": _peak(),
    }


def long(agent: Agent, on: Prepared, rows: int) -> dict[str, Any]:
    """Let one agent read ``rows`` rows of random play in one world, then act there; return what it carries."""
    agent.reset(1, on.arena().n_actions)
    early = min(rows, 4 * CHUNK)
    read, early_bytes, started = 0, 0, time.perf_counter()
    for part in _demonstration(on, rows):
        agent.prefill(*part)
        read += part[0].shape[1]
        if read >= early and not early_bytes:
            early_bytes = carried(agent)
    seconds = time.perf_counter() - started
    tally = Tally(on.references, on.steps).add_all(pieces(agent, on.arena(), on.steps))
    return {
        "rows": read,
        "rows_per_second": round(read / seconds),
        "early": early,
        "bytes_early": early_bytes,
        "bytes_late": carried(agent),
        "played_on": int(tally.steps),
        "peak_bytes": _peak(),
    }


def carried(agent: Agent) -> int:
    """Return the bytes an agent carries from one step to the next: its model's state."""
    return _bytes(agent.memory().state)


def _bytes(part: Any) -> int:
    if isinstance(part, Tensor):
        return part.nelement() * part.element_size()
    return sum(_bytes(each) for each in part) if isinstance(part, tuple | list) else 0


def _demonstration(on: Prepared, rows: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield about ``rows`` rows of random play by whole episodes: (observation, action, reward, tag), (1, T) each."""
    world, seed, left = on.tasks[0].world, 0, rows
    while left > 0:
        played = generate(world, behaviour("random"), 2 * CHUNK, seed)
        seed += 1
        ends = np.flatnonzero(played.tag[0] >= int(Tag.TERMINATED)) + 1
        length = int(ends[ends <= max(min(left, CHUNK), ends[0])][-1])
        left -= length
        yield tuple(getattr(played, name)[:, :length] for name in ("observation", "action", "reward", "tag"))


def _anything(agent: Agent, n_actions: np.ndarray, rows: int) -> tuple[np.ndarray, ...]:
    """Return random rows (observation, action, reward, tag) for every context, (C, rows) each, none of them a break."""
    random = np.random.Generator(np.random.PCG64(0))
    shape = (len(n_actions), rows)
    tokens = agent.model.config.observation_tokens
    observation = random.integers(agent.vocabulary, size=(*shape, tokens) if tokens > 1 else shape)
    action = (random.random(shape) * n_actions[:, None]).astype(np.int64)
    return observation, action, random.normal(size=shape), np.full(shape, int(Tag.RANDOM))


def _untrained(recipe: str) -> Model:
    """Return a model of a training recipe's sizes in tiny's vocabularies."""
    size = configs.load(recipe).model.model_dump()
    return Model(ModelConfig(vocabulary=VOCABULARY, actions=ACTIONS, **size))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    raise SystemExit(main())
