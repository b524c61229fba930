"""The Agent: what it shows the model is what the generator would have recorded, and its memory is all it carries."""

import numpy as np
import pytest
import torch

from common.agents.kinds import behaviour
from common.dataset.schema import Tag
from common.errors import UsageError
from common.random import generator
from common.seeding import Purpose, derive_seed
from common.synthesis.action_map import draw_action_map
from common.synthesis.generate import play
from common.synthesis.sequences import Sequences
from common.worlds import World, sample_world
from common.worlds.batch import WorldBatch
from trainer import Agent
from trainer.agent import AgentSettings
from trainer.folding import Folding
from trainer.model import Model, ModelConfig, Tokens
from trainer.tokens import Rows, tokens_of

VOCABULARY, ACTIONS = 24, 5
TOLERANCE = 1e-5
"""Largest difference of a logit in float32; measured 2e-7."""
COLUMNS = ("observation", "action", "reward", "tag")


def small_model(window: int = 64) -> Model:
    return Model(ModelConfig(vocabulary=VOCABULARY, actions=ACTIONS, width=32, layers=2, window=window))


def worlds() -> list[World]:
    """Worlds whose episodes end in both ways, of different lengths, with 2 to 5 actions."""
    pits = [
        sample_world("gridworld", seed=seed, n_states=9, n_actions=3, slip=0.3, vocabulary=VOCABULARY)
        for seed in range(2)
    ]
    garnet = sample_world("garnet", seed=5, n_states=6, n_actions=2, branching=2, cap_factor=1.5, vocabulary=VOCABULARY)
    return [*pits, garnet, sample_world("bandit", seed=3, n_actions=5, vocabulary=VOCABULARY)]


def recorded(world: World, length: int, seed: int) -> Sequences:
    return play(world, behaviour("random"), length, seed, ACTIONS)


class Scripted(Agent):
    """An Agent that takes given ids: all but the choice is the Agent's own."""

    ids: list[list[int]]
    rounds: int

    def _sample(self, logits: np.ndarray) -> np.ndarray:
        self.rounds += 1
        return np.array([ids[self.rounds - 1] for ids in self.ids])


class Listening(Scripted):
    """Keeps every token the model was shown, by sequence."""

    heard: dict[int, list[list[float]]]

    def _read(self, rows: np.ndarray, observation: np.ndarray) -> torch.Tensor:
        before = {name: values[rows, None] for name, values in self._previous.items()}
        tokens = self._tokens(before, observation[:, None])
        for place, row in enumerate(rows):
            self.heard.setdefault(int(row), []).append([float(part[place, 0]) for part in tokens])
        return super()._read(rows, observation)


def replay(
    agent: Scripted, played: list[World], sequences: list[Sequences], seeds: list[int], steps: int
) -> np.ndarray:
    """Let the agent do in the worlds what was recorded in them; return its logits (n, steps, A)."""
    agent.ids = [[int(i) for i in s.action[0] if i != ACTIONS] for s in sequences]
    agent.rounds = 0
    agent.reset(len(played), np.array([world.n_actions for world in played]))
    maps = np.array([s.rows[0]["action_map"] for s in sequences])
    agent.folding = Folding(maps)
    batch, logits = WorldBatch(played, seeds), []
    for _ in range(steps):
        action = agent.act(batch.observation)
        assert agent.logits is not None
        logits.append(agent.logits)
        agent.observe(*batch.step(action))
    return np.stack(logits, axis=1)


def as_rows(sequence: Sequences, length: int) -> dict[str, np.ndarray]:
    return {name: getattr(sequence, name)[0, :length] for name in COLUMNS}


def test_rows_and_tokens_in_play_are_those_the_generator_records() -> None:
    played, seeds, steps = worlds(), [11, 12, 13, 14], 60
    sequences = [recorded(world, 2 * steps + 2, seed) for world, seed in zip(played, seeds, strict=True)]
    agent = Listening(small_model(), record=True)
    agent.heard = {}
    replay(agent, played, sequences, seeds, steps)
    ends = set()
    for w, sequence in enumerate(sequences):
        rows = agent.rows(w)
        length = len(rows["action"])
        wanted = as_rows(sequence, length)
        own = wanted["action"] != ACTIONS
        assert own.sum() == steps
        wanted["tag"] = np.where(own, Tag.UNKNOWN, wanted["tag"]).astype(np.uint8)
        for name in COLUMNS:
            assert rows[name].dtype == wanted[name].dtype
            assert rows[name].tobytes() == wanted[name].tobytes(), (w, name)
        ends |= set(wanted["tag"][~own].tolist())
        # the tokens too are those the trainer makes of these rows, up to the last one that play asked for
        batch = Rows(*(wanted[name][None] for name in COLUMNS), sequence.oracle)
        tokens = tokens_of(batch, np.array([3]), VOCABULARY, ACTIONS)
        heard = np.array(agent.heard[w])
        for part, values in enumerate(tokens):
            np.testing.assert_array_equal(heard[:, part], values[0, : len(heard)].double().numpy())
        assert len(heard) == length
    assert ends == {Tag.TERMINATED, Tag.TRUNCATED}


def test_acting_step_by_step_gives_the_logits_of_the_whole_pass() -> None:
    """Within the window and far beyond it, episodes ending apart."""
    played, seeds, steps = worlds(), [21, 22, 23, 24], 150
    sequences = [recorded(world, 2 * steps + 2, seed) for world, seed in zip(played, seeds, strict=True)]
    agent = Scripted(small_model(window=64), record=True)
    stepped = replay(agent, played, sequences, seeds, steps)
    for w, sequence in enumerate(sequences):
        rows = agent.rows(w)
        batch = Rows(*(rows[name][None] for name in COLUMNS), sequence.oracle)
        tokens = tokens_of(batch, np.array([3]), VOCABULARY, ACTIONS)
        with torch.inference_mode():
            whole = agent.model.policy(agent.model(tokens)[0])[0].numpy()
        own = rows["action"] != ACTIONS
        assert np.abs(whole[own] - stepped[w]).max() < TOLERANCE
        assert np.ptp(stepped[w]) > 100 * TOLERANCE


def whole_pass(agent: Agent, w: int, observation: int, sequence: Sequences) -> np.ndarray:
    """Return the logits at ``observation`` after the agent's recorded rows, all read at once."""
    rows = agent.rows(w)
    more = {name: np.append(rows[name], rows[name][:1]) for name in COLUMNS}
    more["observation"][-1] = observation
    batch = Rows(*(more[name][None] for name in COLUMNS), sequence.oracle)
    tokens = tokens_of(batch, np.array([3]), VOCABULARY, ACTIONS)
    with torch.inference_mode():
        logits: np.ndarray = agent.model.policy(agent.model(tokens)[0])[0, -1].numpy()
    return logits


def test_prefill_continues_as_if_the_demonstration_had_been_seen_whole() -> None:
    """In pieces, with breaks, actions unfolded: the next logits are those of one pass over demonstration and step."""
    world = worlds()[0]
    sequence = play(world, behaviour("random"), 90, 7)
    native = as_rows(sequence, 90)
    assert set(native["tag"]) & {Tag.TERMINATED, Tag.TRUNCATED}
    is_break = native["action"] == world.n_actions
    agent = Agent(small_model(), record=True)
    agent.reset(2, world.n_actions)
    for part in (slice(0, 37), slice(37, 90)):
        agent.prefill(*(np.stack([native[name][part]] * 2) for name in COLUMNS))
    seen = np.array([3, 4])
    agent.act(seen)
    assert agent.logits is not None
    for w in range(2):
        rows = agent.rows(w)
        for name in ("observation", "reward", "tag"):
            assert rows[name].tobytes() == native[name].tobytes()
        assert (rows["action"][is_break] == ACTIONS).all()
        assert (agent.folding.action[w][rows["action"][~is_break]] == native["action"][~is_break]).all()
        assert np.abs(whole_pass(agent, w, int(seen[w]), sequence) - agent.logits[w]).max() < TOLERANCE
        # every action was taken, so every id has stood for one
        assert set(rows["action"][~is_break].tolist()) == set(range(ACTIONS))


def test_prefill_after_an_episode_of_its_own_equals_the_whole_pass() -> None:
    world = worlds()[0]
    sequence = play(world, behaviour("random"), 40, 9)
    native = as_rows(sequence, 40)
    agent = Agent(small_model(), record=True)
    agent.reset(1, world.n_actions)
    batch, over = WorldBatch([world], [1]), False
    while not over:
        outcome = batch.step(agent.act(batch.observation))
        agent.observe(*outcome)
        over = bool((outcome[2] | outcome[3])[0])
    agent.prefill(*(native[name][None] for name in COLUMNS))
    agent.act(np.array([1]))
    assert agent.logits is not None
    whole = whole_pass(agent, 0, 1, sequence)
    assert np.abs(whole - agent.logits[0]).max() < TOLERANCE


def wander(agent: Agent, batch: WorldBatch, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Play; return actions (steps, n) and logits (steps, n, A)."""
    actions, logits = [], []
    for _ in range(steps):
        actions.append(agent.act(batch.observation))
        assert agent.logits is not None
        logits.append(agent.logits)
        agent.observe(*batch.step(actions[-1]))
    return np.stack(actions), np.stack(logits)


@pytest.mark.parametrize("between", [False, True])
def test_a_restored_memory_goes_on_identically(between: bool) -> None:
    """Twice from one memory, in another agent too, between act and observe too."""
    played = worlds()
    agent = Agent(small_model(window=16))
    agent.reset(4, np.array([world.n_actions for world in played]))
    wander(agent, WorldBatch(played, [1, 2, 3, 4]), 25)
    if between:
        agent.act(np.array([0, 1, 2, 3]))
    memory, seen = agent.memory(), []
    for player in (agent, agent, Agent(agent.model, AgentSettings(seed=99))):
        player.restore(memory)
        if between:
            player.observe(np.array([1, 1, 1, 1]), np.ones(4), np.array([False, True, False, True]), np.zeros(4, bool))
        seen.append(wander(player, WorldBatch(played, [5, 6, 7, 8]), 40))
    for actions, logits in seen[1:]:
        assert (actions == seen[0][0]).all()
        assert logits.tobytes() == seen[0][1].tobytes()


def test_the_same_seed_acts_the_same_and_another_differently() -> None:
    played = worlds()
    actions = []
    for seed in (0, 0, 1):
        agent = Agent(small_model(), AgentSettings(seed=seed))
        agent.reset(4, np.array([world.n_actions for world in played]))
        actions.append(wander(agent, WorldBatch(played, [1, 2, 3, 4]), 20)[0])
    assert (actions[0] == actions[1]).all()
    assert (actions[0] != actions[2]).any()
    for w, world in enumerate(played):
        assert set(actions[0][:, w].tolist()) <= set(range(world.n_actions))


def test_memory_is_constant_in_the_context() -> None:
    agent = Agent(small_model(window=16))
    agent.reset(3, worlds()[0].n_actions)
    sizes = []
    for _ in range(3):
        wander(agent, WorldBatch([worlds()[0]] * 3, [1, 2, 3]), 40)
        sizes.append([x.numel() for part in agent.memory().state for x in part])
    assert sizes[0] == sizes[1] == sizes[2]


def test_folding_is_a_random_surjection_or_modulo() -> None:
    counts = np.array([2, 3, 5])
    random = Folding.draw("random", counts, ACTIONS, seed=3)
    for row, n in enumerate(counts):
        rng = generator(derive_seed(3, Purpose.OTHER, 1 + row))
        assert (random.action[row] == draw_action_map(rng, ACTIONS, int(n))).all()
        assert set(random.action[row].tolist()) == set(range(n))
    assert Folding.draw("modulo", counts, ACTIONS, seed=3).action.tolist() == [
        [0, 1, 0, 1, 0],
        [0, 1, 2, 0, 1],
        [0, 1, 2, 3, 4],
    ]


def test_temperature_falls_to_its_floor_and_zero_is_greedy() -> None:
    settings = AgentSettings(temperature=0.0, temperature_floor=0.0)
    agent = Agent(small_model(), settings)
    agent.reset(64, ACTIONS)
    action = agent.act(np.full(64, 2))
    assert agent.logits is not None
    assert (action == agent.logits.argmax(axis=1)).all()
    hot = Agent(agent.model, AgentSettings(temperature=1.0, temperature_floor=0.2, temperature_steps=10, seed=1))
    hot.reset(4096, ACTIONS)
    logits = np.tile(np.log([0.4, 0.3, 0.2, 0.06, 0.04]), (4096, 1)).astype(np.float32)
    for steps, temperature in ((0, 1.0), (5, 0.5), (50, 0.2)):
        hot._steps[:] = steps
        wanted = np.exp(logits[0] / temperature)
        share = np.bincount(hot._sample(logits), minlength=ACTIONS) / 4096
        # 4 standard errors of a share are at most .031
        np.testing.assert_allclose(share, wanted / wanted.sum(), atol=0.032)


def test_own_actions_carry_the_tag_that_is_set() -> None:
    agent = Agent(small_model(), AgentSettings(own_tag=int(Tag.RANDOM)), record=True)
    agent.reset(1, worlds()[0].n_actions)
    wander(agent, WorldBatch([worlds()[0]], [1]), 5)
    rows = agent.rows(0)
    assert (rows["tag"][rows["action"] != ACTIONS] == Tag.RANDOM).all()


def test_calls_out_of_order_and_values_out_of_range_are_refused() -> None:
    agent = Agent(small_model())
    one, off = np.array([1]), np.array([False])
    with pytest.raises(UsageError, match="reset"):
        agent.act(one)
    with pytest.raises(UsageError, match="reset"):
        agent.memory()
    for n, n_actions in ((0, 3), (1, 0), (1, 6)):
        with pytest.raises(UsageError, match=r"1\.\.5 actions"):
            agent.reset(n, n_actions)
    agent.reset(1, 3)
    with pytest.raises(UsageError, match="after act"):
        agent.observe(one, np.zeros(1), off, off)
    for wrong in (np.array([VOCABULARY]), np.array([-1])):
        with pytest.raises(UsageError, match=f"0..{VOCABULARY - 1} of the model's vocabulary, got {wrong[0]}"):
            agent.act(wrong)
    for wrong in (np.array([1.0]), np.array([1, 2])):
        with pytest.raises(UsageError, match="integer symbols of shape"):
            agent.act(wrong)
    agent.act(one)
    with pytest.raises(UsageError, match="after observe"):
        agent.act(one)
    with pytest.raises(UsageError, match="finite"):
        agent.observe(one, np.array([np.nan]), off, off)
    with pytest.raises(UsageError, match="vocabulary"):
        agent.observe(np.array([VOCABULARY]), np.zeros(1), off, off)
    agent.observe(one, np.zeros(1), off, off)
    rows = [np.array([[1]]), np.array([[0]]), np.array([[0.0]]), np.array([[6]])]
    with pytest.raises(UsageError, match="under way"):
        agent.prefill(*rows)
    agent.reset(1, 3)
    for place, value, rule in ((1, 3, "n_actions-1"), (3, 10, r"0\.\.9"), (0, 99, "vocabulary"), (2, np.inf, "finite")):
        bad = [row.copy() for row in rows]
        bad[place][:] = value
        with pytest.raises(UsageError, match=rule):
            agent.prefill(*bad)
    with pytest.raises(UsageError, match="record=True"):
        agent.rows(0)
    with pytest.raises(UsageError, match="wanted discount"):
        Agent(small_model(), AgentSettings(discount=0.9))


def test_the_wanted_discount_is_shown() -> None:
    logits = []
    for discount in (0.994, 0.0):
        agent = Agent(small_model(), AgentSettings(discount=discount))
        agent.reset(1, ACTIONS)
        agent.act(np.array([1]))
        assert agent.logits is not None
        logits.append(agent.logits)
    assert np.abs(logits[0] - logits[1]).max() > 1e-4


def test_an_agent_wants_what_its_model_was_trained_for() -> None:
    config = small_model().config.model_copy(update={"trained_discounts": (0.93, 0.5)})
    assert Agent(Model(config)).settings.discount == 0.93
    assert Agent(Model(config), AgentSettings(discount=0.5)).settings.discount == 0.5
    with pytest.raises(UsageError, match=r"trained with, 0\.5, 0\.93; got 0\.994"):
        Agent(Model(config), AgentSettings(discount=0.994))


def test_tokens_are_typed_as_the_trainer_types_them() -> None:
    agent = Agent(small_model())
    agent.reset(2, ACTIONS)
    before = {name: values[:, None] for name, values in agent._previous.items()}
    tokens = agent._tokens(before, np.zeros((2, 1), dtype=np.int64))
    sequence = recorded(worlds()[0], 3, 1)
    batch = Rows(*(getattr(sequence, name) for name in COLUMNS), sequence.oracle)
    trained = tokens_of(batch, np.array([3]), VOCABULARY, ACTIONS)
    for name, ours, theirs in zip(Tokens._fields, tokens, trained, strict=True):
        assert ours.dtype == theirs.dtype, name
