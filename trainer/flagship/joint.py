"""Many suites at once: all their contexts side by side in one agent, so that a step of play costs one pass for all.

An agent's step on a GPU takes as long for a thousand contexts as for one. Play comes in pieces and ends when its time
is up: what was played by then is scored.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trainer.agent import Agent
from trainer.evaluation.arena import Arena
from trainer.evaluation.prepared import Prepared
from trainer.evaluation.record import Record
from trainer.evaluation.run import Begin
from trainer.evaluation.tally import Tally

PIECE = 64
"""Steps between two looks at the clock."""


def play_jointly(
    agent: Agent, suites: Sequence[Prepared], steps: int, ends: float, begin: Begin | None = None
) -> list[tuple[Prepared, Tally]]:
    """Play all suites from empty contexts, unless given one; return each, with the steps played, and its tally.

    Args:
        agent: It is reset.
        suites: Made ready for it.
        steps: Environment steps in every world, at most.
        ends: ``time.monotonic`` after which no other piece is begun; the first is played in any case.
        begin: Gives the agent, just reset, its contexts.
    """
    arenas = [on.arena() for on in suites]
    counts = [len(arena.n_actions) for arena in arenas]
    parts = [slice(end - count, end) for end, count in zip(np.cumsum(counts), counts, strict=True)]
    agent.reset(sum(counts), np.concatenate([arena.n_actions for arena in arenas]))
    if begin is not None:
        begin(agent, suites[0])
    played, records = 0, [list[Record]() for _ in arenas]
    while played < steps and (played == 0 or time.monotonic() < ends):
        count = min(PIECE, steps - played)
        for place, record in enumerate(_piece(agent, arenas, parts, count)):
            records[place].append(record)
        played += count
    found = []
    for on, some in zip(suites, records, strict=True):
        shorter = replace(on, request=replace(on.request, steps=played))
        found.append((shorter, Tally(on.references, played, on.suite.has_success).add_all(some)))
    return found


def _piece(agent: Agent, arenas: Sequence[Arena], parts: Sequence[slice], count: int) -> list[Record]:
    """Take ``count`` steps everywhere; return a record of each arena."""
    records = [Record.empty(arena.worlds, count) for arena in arenas]
    for t in range(count):
        action = agent.act(np.concatenate([arena.observation for arena in arenas]))
        entropy = agent.entropy
        told = []
        for arena, record, part in zip(arenas, records, parts, strict=True):
            told.append(arena.step(action[part]))
            arena.note(record, t)
            record.entropy[:, t] = entropy[part].reshape(arena.worlds, -1).mean(axis=1)
        agent.observe(*(np.concatenate(column) for column in zip(*told, strict=True)))
    return records
