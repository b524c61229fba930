"""Sequences that go on apart, each at its own position, see what a whole pass over them sees."""

import torch

from trainer.model import Model, ModelConfig, Tokens, replace_rows, select_rows

TOLERANCE = 1e-5
"""Largest difference of a logit in float32; measured 1e-7."""


def random_tokens(config: ModelConfig, batch: int, length: int) -> Tokens:
    draw = torch.Generator().manual_seed(1)
    parts = [
        torch.randint(most, (batch, length), generator=draw)
        for most in (config.vocabulary + 1, config.actions + 2, 10, config.vocabulary, config.discounts)
    ]
    return Tokens(*parts[:3], torch.randn(batch, length, generator=draw), *parts[3:])


def test_sequences_that_move_apart_equal_the_whole_pass() -> None:
    config = ModelConfig(vocabulary=16, actions=5, width=32, layers=2, window=24)
    model, batch, length = Model(config), 5, 70
    tokens = random_tokens(config, batch, length)
    draw = torch.Generator().manual_seed(2)
    with torch.inference_mode():
        whole = model.policy(model(tokens)[0])
        stepped = torch.full_like(whole, torch.nan)
        state = model.rowwise(model.initial_state(batch))
        position = torch.zeros(batch, dtype=torch.int64)
        while (position < length).any():
            rows = torch.nonzero((position < length) & (torch.rand(batch, generator=draw) < 0.6))[:, 0]
            if len(rows):
                one = Tokens(*(part[rows, position[rows]][:, None] for part in tokens))
                hidden, moved = model(one, select_rows(state, rows))
                state = replace_rows(state, rows, moved)
                stepped[rows, position[rows]] = model.policy(hidden)[:, 0]
                position[rows] += 1
    assert position.unique().tolist() == [length]
    assert (stepped - whole).abs().max() < TOLERANCE


def test_a_rowwise_state_goes_on_from_a_whole_pass_and_takes_several_positions() -> None:
    config = ModelConfig(vocabulary=16, actions=5, width=32, layers=2, window=24)
    model = Model(config)
    tokens = random_tokens(config, 3, 60)
    with torch.inference_mode():
        whole = model.policy(model(tokens)[0])
        _, state = model(Tokens(*(part[:, :37] for part in tokens)))
        hidden, _ = model(Tokens(*(part[:, 37:] for part in tokens)), model.rowwise(state))
        after = model.policy(hidden)
    assert (after - whole[:, 37:]).abs().max() < TOLERANCE
