"""Hidden states, observations of several symbols: labels by state, embeddings and heads a symbol, play as recorded."""

import numpy as np
import pytest
import torch

from common.agents import behaviour
from common.dataset.virtual import VirtualDataset
from common.errors import UsageError
from common.synthesis.generate import generate, play
from common.synthesis.recipe import Recipe
from common.worlds import sample_world
from common.worlds.batch import WorldBatch
from trainer.agent import Agent, AgentSettings
from trainer.data.config import DataConfig
from trainer.data.source import Source
from trainer.evaluation.task import Task
from trainer.loss import Objective, share_of_loss
from trainer.model import Model, ModelConfig
from trainer.tokens import Rows, batch_of, tokens_of

K, V, A = 3, 12, 9
SIZE = {"width": 16, "layers": 1, "heads": 1, "inner": 16}


def macro_recipe() -> Recipe:
    family = {
        "family": "multi-token-pomdp",
        "parameters": {"n_states": 8, "n_actions": 3, "n_observations": 10, "observation_tokens": K},
    }
    return Recipe.model_validate(
        {
            "name": "macro",
            "sequences": 8,
            "length": 60,
            "sequences_per_shard": 4,
            "vocabulary": V,
            "actions": A,
            "families": [family],
            "behaviours": [{"kind": "random"}, {"kind": "oracle"}],
        }
    )


def model(**changes) -> Model:
    return Model(ModelConfig(vocabulary=V, actions=A, observation_tokens=K, **SIZE, **changes))


def test_labels_are_those_of_the_state_not_of_what_is_seen() -> None:
    rows = Rows.of(generate(macro_recipe(), 0, 3).arrays())
    targets = batch_of(rows, np.full(3, 3), V, A, "oracle").targets
    assert rows.state is not None
    for b in range(3):
        for t in range(60):
            mask = int(rows.oracle[b, 3, rows.state[b, t]]) if rows.action[b, t] < A else 0
            wanted = [(mask >> a) & 1 for a in range(A)]
            assert (targets.policy_BTA[b, t] > 0).int().tolist() == wanted
    assert targets.observation_BT.shape == (3, 60, K)
    assert targets.observation_BT[1, 5].tolist() == rows.observation[1, 6].tolist()


def test_shapes_and_parameters() -> None:
    batch = batch_of(Rows.of(generate(macro_recipe(), 0, 2).arrays()), np.full(2, 3), V, A, "oracle")
    one = model()
    hidden, _ = one(batch.tokens)
    assert one.predict(hidden, batch.action).observation_BTV.shape == (2, 60, K, V)
    assert one.embedding.table.weight.shape == (K * (V + 1) + A + 2 + 10 + K * V + 4, 16)
    # the same symbol in another place is another thing
    swapped = batch.tokens._replace(observation=batch.tokens.observation.flip(-1))
    assert not torch.equal(one(swapped)[0], hidden)
    plain = Model(ModelConfig(vocabulary=V, actions=A, **SIZE))
    assert plain.embedding.table.weight.shape == (2 * V + 1 + A + 2 + 10 + 4, 16)
    assert plain.world_head.weight.shape == (V + 2, 16)


def test_the_loss_of_an_observation_is_the_sum_over_its_symbols_and_falls() -> None:
    source = Source(VirtualDataset(macro_recipe(), "recipe:macro"), DataConfig())
    assert source.observation_tokens == K
    rows = source.gather(np.array([5, 1, 2, 0]))
    np.testing.assert_array_equal(rows.pick(slice(1, 2)).observation, generate(macro_recipe(), 1, 1).observation)
    batch = batch_of(rows, np.full(4, 3), V, A, "oracle")
    objective = Objective(model())
    outcome, _ = objective(batch)
    hidden, _ = objective.model(batch.tokens)
    logits = objective.model.predict(hidden, batch.action).observation_BTV
    by_hand = -torch.log_softmax(logits, -1).gather(-1, batch.targets.observation_BT.unsqueeze(-1))[..., 0].sum(-1)
    torch.testing.assert_close(outcome.observation_BT, by_hand * batch.targets.observation_mask_BT)
    optimiser = torch.optim.Adam(objective.parameters(), 0.01)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        total = share_of_loss(objective(batch)[0], batch.targets.counts()).sum()
        total.backward()
        optimiser.step()
        losses.append(float(total.detach()))
    assert losses[-1] < losses[0] - 0.3


def test_evaluation_leaves_hidden_worlds_as_they_are() -> None:
    """Symbols and actions of such a world are random already; its emission must not be lost."""
    world = sample_world("multi-token-pomdp", seed=4, n_states=8, n_actions=3, n_observations=10, vocabulary=V)
    met = Task(name="hidden", world=world).relabelled(20, seed=1).world
    assert met.vocabulary == 20
    assert met.emission is world.emission
    assert met.atoms is world.atoms
    with pytest.raises(UsageError, match="shows 12 symbols and the agent's vocabulary has 8; take an agent"):
        Task(name="hidden", world=world).relabelled(8, seed=1)


@pytest.mark.parametrize("family", ["pomdp", "multi-token-pomdp"])
def test_the_agents_rows_are_those_that_would_be_recorded(family) -> None:
    several = family != "pomdp"
    settings = {"observation_tokens": K} if several else {}
    world = sample_world(family, seed=4, n_states=8, n_actions=3, n_observations=10, vocabulary=V, **settings)
    tokens = K if several else 1
    network = Model(ModelConfig(vocabulary=V, actions=world.n_actions, observation_tokens=tokens, **SIZE))
    agent = Agent(network, AgentSettings(seed=1), record=True)
    agent.reset(2, world.n_actions)
    before = play(world, behaviour("oracle"), 240, 3)
    # demonstrations end with an episode; what is left of the last one is not shown
    end = int(np.flatnonzero(before.tag[0] >= 8)[-1]) + 1
    shown = [np.repeat(array[:, :end], 2, axis=0) for array in (before.observation, before.action, before.reward)]
    agent.prefill(*shown, np.repeat(before.tag[:, :end], 2, axis=0))
    batch = WorldBatch([world, world], [7, 8])
    expected = {"observation": [], "action": [], "reward": []}
    for _ in range(300):
        observation = batch.observation
        action = agent.act(observation)
        seen, reward, terminated, truncated = batch.step(action)
        agent.observe(seen, reward, terminated, truncated)
        for name, value in zip(expected, (observation[0], action[0], reward[0]), strict=True):
            expected[name].append(value)
        if terminated[0] or truncated[0]:
            for name, value in zip(expected, (seen[0], world.n_actions, 0.0), strict=True):
                expected[name].append(value)
    rows = agent.rows(0)
    assert rows["observation"].shape[1:] == world.observation_shape
    for name, values in expected.items():
        whole = np.concatenate([getattr(before, name)[0, :end], np.array(values)])
        np.testing.assert_array_equal(rows[name], whole.astype(rows[name].dtype), err_msg=name)
    # what it computed step by step is what a whole pass over these rows and the next observation computes
    agent.act(batch.observation)
    rows = {name: np.concatenate([array, array[:1]])[None] for name, array in rows.items()}
    rows["observation"][0, -1] = batch.observation[0]
    length = rows["action"].shape[1]
    tokens_BT = tokens_of(Rows(**rows, oracle=before.oracle), np.full(1, 3), V, world.n_actions)
    with torch.inference_mode():
        hidden, _ = network(tokens_BT)
        wanted = network.policy(hidden)[0, length - 1].numpy()
    assert agent.logits is not None
    np.testing.assert_allclose(agent.logits[0], wanted, atol=2e-4)
