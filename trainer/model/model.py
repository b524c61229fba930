"""The whole model: tokens and state in, hidden states and state out; heads for the policy and the world model.

Shapes: B batch, T positions, C width, V observation symbols, A actions, K symbols of an observation,
D discounts.
"""

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from trainer.model.block import Block
from trainer.model.config import ModelConfig
from trainer.model.embedding import Tokens
from trainer.model.initial import initialise
from trainer.model.kernels import describe, keep_out_of_graphs
from trainer.model.layout import EMBEDDINGS
from trainer.model.norm import Norm

ModelState = tuple[Any, ...]
"""One state per block; opaque, batched along the first axis of every tensor."""


class Prediction(NamedTuple):
    """What the world model expects after an action."""

    observation_BTV: Tensor
    """Logits of the next row's observation; (B, T, K, V) where it has several symbols, a head for each."""
    reward_BT: Tensor
    """symlog of the reward."""
    break_BT: Tensor
    """Logit of: the next row is an episode break."""


class Model(nn.Module):
    """A causal sequence model over transition tokens.

    Args:
        config: Shapes.
        seed: Fixes the initial weights; the global generator is left alone.
        device: Where to build it; on ``meta`` nothing is allocated.
    """

    def __init__(self, config: ModelConfig, seed: int = 0, device: torch.device | str | None = None) -> None:
        super().__init__()
        self.config = config
        self.recompute = False
        """Activation checkpointing: a backward pass computes each block's inside again instead of keeping it."""
        with torch.device("meta"):
            self.embedding = EMBEDDINGS[config.layout](config)
            self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
            self.norm = Norm(config.width)
            self.policy_head = nn.Linear(config.width, config.actions)
            if config.every_discount:
                self.discounts_head = nn.Linear(config.width, config.discounts * config.actions)
            self.taken = nn.Embedding(config.actions + 1, config.width)
            self.world = nn.Linear(2 * config.width, config.width)
            self.world_head = nn.Linear(config.width, config.observation_tokens * config.vocabulary + 2)
        if device is None or torch.device(device).type != "meta":
            self.to_empty(device=device or "cpu")
            self.initialise(seed)

    def initialise(self, seed: int) -> None:
        """Draw the initial weights: a function of the seed and the shapes alone, sharded or whole."""
        initialise(self, seed, self.config.layers)

    def initial_state(self, batch: int, device: torch.device | None = None) -> ModelState:
        """Return the state of ``batch`` sequences not begun yet."""
        device = device or self.norm.gain.device
        return tuple(cast(Block, block).initial_state(batch, device) for block in self.blocks)

    def rowwise(self, state: ModelState) -> ModelState:
        """Return ``state`` in the form where every sequence goes on at a position of its own, every tensor batched.

        So a few sequences can be taken out (``select_rows``), moved on and put back (``replace_rows``).
        """
        return tuple(cast(Block, block).rowwise(part) for block, part in zip(self.blocks, state, strict=True))

    def forward(self, tokens: Tokens, state: ModelState | None = None) -> tuple[Tensor, ModelState]:
        """Read tokens (B, T) after ``state`` (None: from the beginning).

        Returns:
            Hidden states (B, T, C), for ``policy`` and ``predict``, and the state after the last token. Without
            autograd the state passed in is used up (clone it to keep it).
        """
        if state is None:
            state = self.initial_state(tokens.observation.shape[0], tokens.observation.device)
        x_BTC = self.embedding(tokens)
        after, first = [], None
        for block, before in zip(self.blocks, state, strict=True):
            if self.recompute and torch.is_grad_enabled():
                x_BTC, block_state, first = checkpoint(block, x_BTC, before, first, use_reentrant=False)
            else:
                x_BTC, block_state, first = block(x_BTC, before, first)
            after.append(block_state)
        # of a step's positions the last one has seen all of it
        ends = self.config.positions
        return self.norm(x_BTC[:, ends - 1 :: ends]), tuple(after)

    def policy(self, hidden_BTC: Tensor) -> Tensor:
        """Return the logits of the next action (B, T, A)."""
        return self.policy_head(hidden_BTC)

    def every_policy(self, hidden_BTC: Tensor) -> Tensor:
        """Return logits of the optimal actions of every discount (B, T, D, A); only with ``every_discount``."""
        return self.discounts_head(hidden_BTC).unflatten(-1, (self.config.discounts, self.config.actions))

    def predict(self, hidden_BTC: Tensor, action_BT: Tensor) -> Prediction:
        """Return what the world model expects if ``action_BT`` (int64, 0..A-1, BREAK = A) is taken."""
        taken_BTC = self.taken(action_BT)
        inner = nn.functional.gelu(self.world(torch.cat([hidden_BTC, taken_BTC], dim=-1)))
        out = self.world_head(inner)
        symbols = out[..., :-2]
        if self.config.observation_tokens > 1:
            symbols = symbols.unflatten(-1, (self.config.observation_tokens, self.config.vocabulary))
        return Prediction(symbols, out[..., -2], out[..., -1])

    def programs(self, dtype: torch.dtype = torch.float32) -> list[str]:
        """Return a line on what runs the recurrence in ``dtype``, a kernel that passed its check or PyTorch, why."""
        recurrence = getattr(cast(Block, self.blocks[0]).mixer, "recurrence", None)
        return describe((recurrence,), self.norm.gain.device.type, dtype) if recurrence else []

    def compile_blocks(self, backend: str = "inductor") -> None:
        """Compile each block where it stands: the first passes take a minute; parameters and states stay the same."""
        keep_out_of_graphs()
        for block in self.blocks:
            block.compile(backend=backend)

    def parameter_count(self) -> int:
        """Return the number of parameters."""
        return sum(parameter.numel() for parameter in self.parameters())


def clone_state(state: ModelState) -> ModelState:
    """Return a copy that later steps cannot write into."""
    return tuple(type(part)(*(x.clone() if isinstance(x, Tensor) else x for x in part)) for part in state)


def select_rows(state: ModelState, rows: Tensor) -> ModelState:
    """Return some sequences of a rowwise state; ``rows`` (R,) int64.

    They are to be moved on and put back (``replace_rows``) before anything else is done with ``state``: what is long,
    they share with it. A state that has ``select`` and ``replace`` knows how; of any other all tensors are copied.
    """
    return tuple(
        part.select(rows) if hasattr(part, "select") else type(part)(*(x[rows] for x in part)) for part in state
    )


def replace_rows(state: ModelState, rows: Tensor, moved: ModelState) -> ModelState:
    """Return a rowwise state with sequences ``rows`` (R,) replaced by ``moved``, in place where shapes allow."""
    return tuple(
        part.replace(rows, new)
        if hasattr(part, "replace")
        else type(part)(*(_replaced(x, rows, y) for x, y in zip(part, new, strict=True)))
        for part, new in zip(state, moved, strict=True)
    )


def _replaced(whole: Tensor, rows: Tensor, part: Tensor) -> Tensor:
    whole[rows] = part
    return whole
