"""Beside the first phases: compile the generator's and evaluation's kernels into the user's cache, on an idle core.

A machine that never ran them needs most of a minute for it; the phases that need them come later and load them.
"""

from common.synthesis.generate import generate
from common.synthesis.recipe import load
from trainer.evaluation.prepared import Request
from trainer.evaluation.suites import named
from trainer.flagship.worker import Work


def run(work: Work) -> None:
    """Make a sequence of every stage's data, and a world and a step of every suite."""
    for stage in work.scale.stages:
        made = generate(load(stage.data, work.scale.data_overrides), 0, 1)
    vocabulary, actions = int(made.oracle.shape[-1]), 5
    for suite in named(list(work.scale.suites)):
        arena = suite.prepare(Request(worlds=1, steps=8, vocabulary=vocabulary, actions=actions)).arena()
        arena.step(arena.n_actions * 0)
