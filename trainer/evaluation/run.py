"""One suite, all of it: tasks, exact references, the agent and every baseline on them, one entry of results.json."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.errors import UsageError
from trainer.agent import Agent
from trainer.evaluation.baselines import BASELINES, LEARNERS, play_baseline, tuned
from trainer.evaluation.play import play_batch
from trainer.evaluation.reference import SMALLEST_GAP, Reference, counted_worlds, reference
from trainer.evaluation.score import EPISODE_GAP, scores
from trainer.evaluation.suites import Suite, suite
from trainer.evaluation.task import Task

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A suite's worlds, drawn, relabelled and solved; everyone plays on the same."""

    suite: Suite
    tasks: list[Task]
    references: list[Reference]
    counted: np.ndarray
    """(W,) bool: worlds whose score by step counts."""
    steps: int
    seed: int


def prepare(agent: Agent, name: str, worlds: int, steps: int, seed: int = 0) -> Prepared:
    """Draw a suite's worlds for an agent.

    Args:
        agent: Its vocabularies are what worlds are shown in.
        name: A suite's name.
        worlds: How many worlds are played at once.
        steps: Environment steps in each; an episode's break row is none.
        seed: Of worlds, labels and transitions; the agent's own draws have a seed of their own.

    Raises:
        UsageError: The suite does not exist or does not fit the agent's vocabularies, or a number is under 1.
    """
    chosen = suite(name)
    if worlds < 1 or steps < 1:
        raise UsageError(f"worlds and steps must be at least 1, got {worlds} and {steps}")
    tasks = chosen.tasks(worlds, agent.vocabulary, seed)
    most = max(task.world.n_actions for task in tasks)
    if most > agent.actions:
        raise UsageError(
            f"suite {name!r} has worlds of {most} actions and the agent's vocabulary has {agent.actions}; "
            "take another suite or an agent trained on more actions"
        )
    references = [reference(task) for task in tasks]
    counted = counted_worlds(references, chosen.smallest_gap)
    return Prepared(suite=chosen, tasks=tasks, references=references, counted=counted, steps=steps, seed=seed)


def evaluate(agent: Agent, on: Prepared, say: Say = print) -> dict[str, Any]:
    """Evaluate an agent, from an empty context, and all baselines on one suite.

    Args:
        agent: It is reset.
        on: What ``prepare`` returned for it.
        say: Called with lines of progress.

    Returns:
        ``model``, ``baselines`` (``score.scores`` of each), ``left_out`` and ``settings``: an entry of results.json.
    """
    name, tasks, references, counted = on.suite.name, on.tasks, on.references, on.counted
    worlds, steps, seed = len(tasks), on.steps, on.seed
    agent.reset(worlds, np.array([task.world.n_actions for task in tasks]))
    started = time.monotonic()
    record = play_batch(agent, tasks, steps, seed, _progress(name, say))
    seconds = time.monotonic() - started
    model = scores(record, references, counted)
    say(f"{name}: {worlds} worlds x {steps} steps in {seconds:.1f} s, {worlds * steps / seconds:,.0f} steps/s")
    baselines = {
        baseline: scores(play_baseline(baseline, name, tasks, references, steps, seed), references, counted)
        for baseline in BASELINES
    }
    return {
        "model": model,
        "baselines": baselines,
        "left_out": _left_out(on),
        "settings": {
            "worlds": worlds,
            "steps": steps,
            "seed": seed,
            "beginning": "empty context",
            "agent": agent.settings.model_dump(),
            "shaping": "shown rewards are shaped, scores are not" if tasks[0].unshaped is not None else None,
            "baselines": {learner: tuned(name, learner) for learner in LEARNERS},
            "seconds": round(seconds, 2),
        },
    }


def _left_out(on: Prepared) -> dict[str, Any]:
    """Return which worlds have no score by step (or by episode), and by which rule."""
    smallest = on.suite.smallest_gap
    limit = f"{SMALLEST_GAP} of the world's reward range" if smallest is None else f"{smallest}"
    return {
        "rule": f"oracle - random per step is under {limit}",
        "count": int((~on.counted).sum()),
        "worlds": [r.name for r, counts in zip(on.references, on.counted, strict=True) if not counts],
        "by_episode": [r.name for r in on.references if r.oracle_return - r.random_return <= EPISODE_GAP],
    }


def _progress(name: str, say: Say) -> Callable[[int, int], None]:
    """Return a progress call that says a line every few seconds."""
    last = time.monotonic()

    def progress(done: int, steps: int) -> None:
        nonlocal last
        if time.monotonic() - last > 5.0:
            last = time.monotonic()
            say(f"{name}: step {done} of {steps}")

    return progress
