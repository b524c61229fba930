"""One suite, all of it: the agent and every baseline on its worlds, one entry of results.json."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trainer.agent import Agent
from trainer.evaluation.baselines import BASELINES, DEEP, LEARNERS, settings_of, tally_baseline, tuned_on
from trainer.evaluation.baselines.shown import Shown
from trainer.evaluation.play import Film, pieces
from trainer.evaluation.prepared import Prepared, Request
from trainer.evaluation.protocol import Protocol
from trainer.evaluation.reference import told
from trainer.evaluation.score import scores
from trainer.evaluation.suites import Suite
from trainer.evaluation.tally import Tally

Say = Callable[[str], None]
Begin = Callable[[Agent, Prepared], None]
"""Gives an agent, just reset, what its context begins with: demonstrations of the worlds it will play in."""


@dataclass(frozen=True)
class Outcome:
    """A suite evaluated."""

    entry: dict[str, Any]
    """Of results.json."""
    tallies: dict[str, Tally]
    """By player, the model first."""
    film: Film
    """Scenes of the model's first world."""


def prepare(
    agent: Agent, chosen: Suite, worlds: int, steps: int, seed: int = 0, how: Protocol | None = None
) -> Prepared:
    """Draw a suite's worlds for an agent: its vocabularies are what they are shown in.

    Raises:
        UsageError: The suite does not fit the agent's vocabularies.
    """
    return chosen.prepare(
        Request(
            worlds=worlds,
            steps=steps,
            vocabulary=agent.vocabulary,
            actions=agent.actions,
            tokens=agent.model.config.observation_tokens,
            seed=seed,
            protocol=how or Protocol(),
        )
    )


def evaluate(
    agent: Agent,
    on: Prepared,
    say: Say = print,
    begin: Begin | None = None,
    beginning: str = "empty context",
    baselines: Sequence[str] = BASELINES,
    shown: Shown | None = None,
) -> Outcome:
    """Evaluate an agent, from an empty context unless given one, and baselines on one suite.

    Args:
        agent: It is reset.
        on: What ``prepare`` returned for it.
        say: Called with lines of progress.
        begin: Gives the agent its context.
        beginning: What results call that context.
        baselines: Who else plays; an agent of one world is left out where several agents share one.
        shown: The same demonstrations, for a baseline that learns from some.

    Returns:
        With ``model``, ``baselines`` (``score.scores`` of each), ``references``, ``left_out`` and ``settings`` in its
        entry.
    """
    name = on.suite.name
    started = time.monotonic()
    film = Film()
    tallies = {"model": tally_agent(agent, on, say, film, begin)}
    seconds = time.monotonic() - started
    speed = on.contexts * on.steps / seconds
    say(f"{name}: {on.contexts} contexts x {on.steps} steps in {seconds:.1f} s, {speed:,.0f} steps/s")
    alone = on.contexts == on.worlds
    playing = [who for who in baselines if alone or who not in DEEP]
    for who in baselines:
        if who not in playing:
            say(f"{name}: {who} is left out: several agents share a world")
    for who in playing:
        tallies[who] = tally_baseline(who, on, _progress(f"{name}, {who}", say), shown)
    return Outcome(entry_of(agent, on, tallies, beginning, seconds), tallies, film)


def entry_of(agent: Agent, on: Prepared, tallies: dict[str, Tally], beginning: str, seconds: float) -> dict[str, Any]:
    """Return a suite's entry of results.json.

    Args:
        agent: Who played.
        on: What it played.
        tallies: By player: ``model`` and baselines.
        beginning: What results call the context that the agent began with.
        seconds: That the agent took.
    """
    counted, name = on.counted, on.suite.name
    tuned_ones = [who for who in tallies if who in LEARNERS]
    results = {player: scores(tally, counted) for player, tally in tallies.items()}
    return {
        "about": on.suite.about,
        "paper": on.suite.paper,
        "model": results.pop("model"),
        "baselines": results,
        "references": told(on.references),
        "left_out": on.left_out(),
        "settings": {
            "worlds": on.worlds,
            "steps": on.steps,
            "seed": on.seed,
            "beginning": beginning,
            "agent": agent.settings.model_dump(),
            "protocol": on.request.protocol.model_dump(),
            "shaping": on.shaping,
            "labels": "states and actions relabelled at random in every world",
            "baselines": {learner: settings_of(name, learner) for learner in tuned_ones},
            "baselines_tuned_on": {learner: tuned_on(name, learner) for learner in tuned_ones},
            "seconds": round(seconds, 2),
            "steps_per_second": round(on.contexts * on.steps / seconds),
        },
    }


def tally_agent(
    agent: Agent, on: Prepared, say: Say = print, film: Film | None = None, begin: Begin | None = None
) -> Tally:
    """Let an agent play a suite, from an empty context unless ``begin`` gives it one."""
    arena = on.arena()
    agent.reset(len(arena.n_actions), arena.n_actions)
    if begin is not None:
        begin(agent, on)
    tally = Tally(on.references, on.steps, on.suite.has_success)
    return tally.add_all(pieces(agent, arena, on.steps, _progress(on.suite.name, say), film))


def _progress(name: str, say: Say) -> Callable[[int, int], None]:
    """Return a progress call that says a line every few seconds."""
    last = time.monotonic()

    def progress(done: int, steps: int) -> None:
        nonlocal last
        if time.monotonic() - last > 5.0:
            last = time.monotonic()
            say(f"{name}: {done} of {steps}")

    return progress
