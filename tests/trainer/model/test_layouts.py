"""The paper's layouts: the same parity, the same interface, more positions."""

import pytest
import torch

from trainer.model import Model
from trainer.model.config import POSITIONS

from .parts import BACKBONES, cut, difference, gradients, random_tokens, run, small

LAYOUTS = ["podtaw", "podtawr"]
every_layout = pytest.mark.parametrize("layout", LAYOUTS)


def sees(layout: str, **changes: torch.Tensor) -> bool:
    """Return whether a change of some part of the tokens changes the output."""
    model, tokens = small("gated-delta-net", layout=layout), random_tokens(2, 9)
    with torch.no_grad():
        before, after = model(tokens)[0], model(tokens._replace(**changes))[0]
    return difference(after, before) > 1e-3


@every_layout
@pytest.mark.parametrize("backbone", ["transformer", "gated-delta-net"])
@pytest.mark.parametrize("lengths", [[7, 1, 30, 12], [1] * 50], ids=["ragged", "steps"])
def test_segments_equal_the_whole(layout: str, backbone: str, lengths: list[int]) -> None:
    model, tokens = small(backbone, layout=layout, window=8), random_tokens(2, 50)
    with torch.no_grad():
        whole, _ = run(model, [tokens])
        pieces, _ = run(model, cut(tokens, lengths))
    assert whole.shape == (2, 50, 16)
    assert difference(pieces, whole) < 1e-4


@every_layout
@pytest.mark.parametrize("backbone", BACKBONES)
def test_gradients_of_segments_equal_the_whole_ones(layout: str, backbone: str) -> None:
    model, tokens = small(backbone, layout=layout, window=8), random_tokens(2, 25)
    whole, pieces = gradients(model, [tokens]), gradients(model, cut(tokens, [7, 1, 12, 5]))
    assert whole.keys() == pieces.keys()
    for name, gradient in whole.items():
        assert difference(pieces[name], gradient) < 1e-4, name


@every_layout
def test_a_step_takes_its_letters_positions_each_of_a_kind_of_its_own(layout: str) -> None:
    model, tokens = small("transformer", layout=layout), random_tokens(2, 9)
    embedded = model.embedding(tokens)
    positions = sum(letter not in "dw" for letter in layout)
    assert positions == POSITIONS[layout] and embedded.shape == (2, 9 * positions, 16)
    # tag, action, (reward,) prompt, observation: in the order in which they come to be
    for part, place in (("previous_tag", 0), ("previous_action", 1), ("discount", -2), ("observation", -1)):
        other = model.embedding(tokens._replace(**{part: (getattr(tokens, part) + 1) % 3}))
        changed = (other - embedded).view(2, 9, positions, 16).abs().amax(dim=(0, 1, 3)) > 0
        assert changed.nonzero().flatten().tolist() == [place % positions]


def test_only_the_layout_with_r_and_the_transition_token_see_rewards() -> None:
    reward = torch.ones(2, 9)
    assert not sees("podtaw", reward=reward)
    assert sees("podtawr", reward=reward) and sees("transition", reward=reward)


def test_a_window_counts_steps_of_the_world_in_every_layout() -> None:
    for layout, positions in POSITIONS.items():
        assert small("transformer", layout=layout, window=8).blocks[0].mixer.window == 8 * positions


def test_layouts_differ_in_nothing_but_their_embeddings() -> None:
    def shapes(model: Model) -> dict:
        return {name: p.shape for name, p in model.named_parameters() if not name.startswith("embedding.")}

    assert shapes(small("transformer", layout="podtaw")) == shapes(small("transformer"))
