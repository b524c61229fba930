"""Several views of a sequence: the same rows under other names, one decision, and all that an agent promises."""

import numpy as np
import pytest

from common.errors import UsageError
from common.worlds.batch import WorldBatch
from tests.trainer.test_agent import ACTIONS, COLUMNS, VOCABULARY, small_model, worlds
from trainer import Agent
from trainer.acting import AgentSettings
from trainer.tokens import Rows, tokens_of
from trainer.views import Views

VIEWS, STEPS = 3, 70


def made(views: int = VIEWS, **settings: float) -> Agent:
    return Agent.of(small_model(), AgentSettings(views=views, **settings), record=True)


def played(agent: Agent, steps: int = STEPS, seed: int = 5) -> tuple[list[np.ndarray], WorldBatch]:
    """Let an agent act in some worlds from the beginning; return its actions."""
    batch = WorldBatch(worlds(), [seed + k for k in range(4)])
    agent.reset(4, np.array([world.n_actions for world in worlds()]))
    return [acted(agent, batch) for _ in range(steps)], batch


def acted(agent: Agent, batch: WorldBatch) -> np.ndarray:
    action = agent.act(batch.observation)
    agent.observe(*batch.step(action))
    return action


def test_views_see_the_same_rows_under_names_of_their_own() -> None:
    agent = made()
    assert isinstance(agent, Views)
    actions, _ = played(agent)
    assert all((action < np.array([world.n_actions for world in worlds()])).all() for action in actions)
    for w in range(4):
        first = agent.rows(w)
        own = first["action"] != ACTIONS
        assert own.sum() == STEPS
        folded = agent.folding.action[w * VIEWS][first["action"][own].astype(int)]
        np.testing.assert_array_equal(folded, [action[w] for action in actions])
        for view in range(VIEWS):
            rows = Agent.rows(agent, w * VIEWS + view)
            np.testing.assert_array_equal(rows["reward"], first["reward"])
            np.testing.assert_array_equal(rows["tag"], first["tag"])
            names = agent._names[w * VIEWS + view]
            np.testing.assert_array_equal(rows["observation"], names[first["observation"].astype(int)])
            assert (names == np.arange(VOCABULARY)).all() == (view == 0) and len(set(names.tolist())) == VOCABULARY
            same = agent.folding.action[w * VIEWS + view][rows["action"][own].astype(int)]
            np.testing.assert_array_equal(same, folded)


def test_it_decides_by_the_geometric_mean_of_what_each_view_would_do() -> None:
    agent = made(temperature=0.8, temperature_steps=0)
    _, batch = played(agent)
    agent.act(batch.observation)
    assert agent.logits is not None and agent.logits.shape == (4 * VIEWS, ACTIONS)
    for w, world in enumerate(worlds()):
        total = np.zeros(world.n_actions)
        for view in range(VIEWS):
            row = w * VIEWS + view
            chance = np.exp(agent.logits[row] / 0.8)
            chance /= chance.sum()
            of_action = [chance[agent.folding.action[row] == action].sum() for action in range(world.n_actions)]
            total += np.log(of_action) / VIEWS
        wanted = np.exp(total) / np.exp(total).sum()
        np.testing.assert_allclose(agent._together(agent.logits)[w, : world.n_actions], wanted, atol=1e-6)
        assert (agent._together(agent.logits)[w, world.n_actions :] == 0).all()
        nats = -(wanted * np.log(wanted)).sum()
        assert agent.entropy[w] == pytest.approx(nats / np.log(world.n_actions), abs=1e-5)


def test_every_view_is_read_as_the_whole_pass_reads_it() -> None:
    agent = made()
    _, batch = played(agent)
    seen = batch.observation
    agent.act(seen)
    for row in range(4 * VIEWS):
        rows = Agent.rows(agent, row)
        now = np.append(rows["observation"], agent._names[row][seen[row // VIEWS]])
        columns = {name: np.append(rows[name], rows[name][:1])[None] for name in COLUMNS} | {"observation": now[None]}
        context = Rows(**columns, oracle=np.zeros((1, 4, VOCABULARY), np.uint8))
        hidden, _ = agent.model(tokens_of(context, np.array([agent._discount]), VOCABULARY, ACTIONS))
        assert agent.logits is not None
        np.testing.assert_allclose(agent.model.policy(hidden)[0, -1].numpy(), agent.logits[row], atol=1e-5)


def test_a_memory_goes_on_exactly_and_only_where_it_fits() -> None:
    agent = made()
    _, batch = played(agent)
    memory, observation = agent.memory(), batch.observation
    on = [agent.act(observation)]
    agent.restore(memory)
    again = made()
    again.restore(memory)
    assert (agent.act(observation) == on[0]).all() and (again.act(observation) == on[0]).all()
    for other in (made(1), made(5)):
        with pytest.raises(UsageError, match="the memory is of one with others"):
            other.restore(memory)
    with pytest.raises(UsageError, match=r"made by Agent\.of or Agent\.load"):
        Agent(small_model(), AgentSettings(views=2))


def test_demonstrations_are_read_in_every_view() -> None:
    agent, shown = made(), made()
    _, batch = played(agent, steps=1)
    while not (~agent._acting).all():  # to the end of an episode in all worlds: those over wait for the others
        acted(agent, batch)
        if len(agent.rows(0)["action"]) > 400:
            break
    shown.reset(4, np.array([world.n_actions for world in worlds()]))
    first = [agent.rows(w) for w in range(4)]
    length = max(len(rows["action"]) for rows in first)
    columns = {
        name: np.stack([np.pad(rows[name], (0, length - len(rows[name]))) for rows in first]) for name in COLUMNS
    }
    ids = columns["action"].astype(int)
    action = np.stack([agent.folding.action[w * VIEWS][np.minimum(ids[w], ACTIONS - 1)] for w in range(4)])
    lengths = np.array([len(rows["action"]) for rows in first])
    shown.prefill(columns["observation"], action, columns["reward"], columns["tag"], lengths)
    for w in range(4):
        for name in ("observation", "reward", "tag"):
            np.testing.assert_array_equal(shown.rows(w)[name], first[w][name])
        for view in range(VIEWS):
            rows = Agent.rows(shown, w * VIEWS + view)
            named = shown._names[w * VIEWS + view][first[w]["observation"].astype(int)]
            np.testing.assert_array_equal(rows["observation"], named)


def test_what_does_not_fit_is_refused() -> None:
    agent = made()
    with pytest.raises(UsageError, match="comes after reset"):
        agent.act(np.array([0]))
    agent.reset(2, 3)
    with pytest.raises(UsageError, match=r"integer symbols of shape \(2,\)"):
        agent.act(np.array([0]))
    agent.act(np.array([0, 1]))
    with pytest.raises(UsageError, match="one entry for each of the 2 sequences"):
        agent.observe(np.array([0, 1]), np.array([0.0]), np.array([False, False]), np.array([False, False]))
    with pytest.raises(UsageError, match="reset takes n >= 1"):
        agent.reset(0, 3)
