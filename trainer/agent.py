"""A trained model as an agent that learns in context: observations in, actions out, frozen weights, constant memory.

    agent = Agent.load("tiny")                                         # a bundled one; or a run's folder, or a file
    agent.reset(n=1, n_actions=4)
    action = agent.act(observation)                                    # numpy in, numpy out, one entry a sequence
    agent.observe(next_observation, reward, terminated, truncated)     # the terminal observation at an episode's end

The rows it sees are the rows the generator would record for the same steps (``common.dataset.schema``), the tag of its
own actions aside: play must not differ from training.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from common.dataset.schema import DISCOUNTS, Tag, array_types
from common.errors import UsageError
from common.seeding import Purpose, derive_seed
from trainer.acting import AgentSettings
from trainer.folding import Folding
from trainer.model import Model, Tokens, clone_state, replace_rows, select_rows

PREFILL_CHUNK = 512
"""Rows of a demonstration read at once: memory does not grow with its length."""
BREAK_TAGS = (int(Tag.TERMINATED), int(Tag.TRUNCATED))


@dataclass(frozen=True)
class Memory:
    """All that an agent carries from one step to the next; its own copy, so nothing the agent does changes it."""

    state: Any
    rowwise: bool
    previous: dict[str, np.ndarray]
    steps: np.ndarray
    acting: np.ndarray
    folding: Folding
    pending: tuple[np.ndarray, np.ndarray] | None
    random: dict[str, Any]
    names: np.ndarray | None = None
    """Of an agent of several views (``trainer.views``)."""


class Agent:
    """Plays n sequences at once, each with a context of its own.

    Args:
        model: Its weights are frozen.
        settings: How it acts.
        record: Keep the rows it saw, for ``rows``; memory then grows with the context.

    Raises:
        UsageError: The settings ask for several views: those are another class's (``Agent.of`` takes the right one).
    """

    SEVERAL_VIEWS = False

    def __init__(self, model: Model, settings: AgentSettings | None = None, record: bool = False) -> None:
        views = 1 if settings is None else settings.views
        if (views > 1) != self.SEVERAL_VIEWS:
            raise UsageError(f"an agent of {views} views is made by Agent.of or Agent.load; or set views=1")
        self.model = model.eval().requires_grad_(False)
        self.vocabulary, self.actions = model.config.vocabulary, model.config.actions
        tokens = model.config.observation_tokens
        self._shape = (tokens,) if tokens > 1 else ()
        """Of one observation: () for a symbol, (tokens,) for several."""
        self._device = next(model.parameters()).device
        self.settings = (settings or AgentSettings()).settled(model.config.trained_discounts)
        self._discount = DISCOUNTS.index(self.settings.wanted)
        self._recorded: list[tuple[np.ndarray, ...]] | None = [] if record else None
        self._state: Any = None
        self._rowwise = False
        self.logits: np.ndarray | None = None
        """(n, A) float32 logits of the last ``act``, before the temperature."""

    @classmethod
    def load(
        cls,
        path: str | Path,
        settings: AgentSettings | None = None,
        device: str | None = None,
        record: bool = False,
    ) -> "Agent":
        """Load a run's latest checkpoint, an exported file, or a bundled agent by its name.

        Args:
            path: Where it is, or the name (``trainer.agents``).
            settings: How it acts; None: as its training recipe says.
            device: Where to.
            record: Keep the rows it saw.

        Raises:
            UsageError: There is no model at ``path``.
            DataError: What is there is damaged.
        """
        from trainer.checkpoints import load_model, told

        model = load_model(path)
        return cls.of(model.to(device) if device else model, settings or AgentSettings.of(told(path)), record)

    @classmethod
    def of(cls, model: Model, settings: AgentSettings | None = None, record: bool = False) -> "Agent":
        """Return an agent with as many views of each sequence as its settings say (``trainer.views``)."""
        from trainer.views import Views

        several = settings is not None and settings.views > 1
        return (Views if several else cls)(model, settings, record)

    def reset(self, n: int, n_actions: int | np.ndarray) -> None:
        """Forget everything and begin n sequences with empty contexts.

        Args:
            n: Sequences played at once.
            n_actions: Actions of each one's environment, one number or (n,) numbers, 1..A.

        Raises:
            UsageError: A number is out of range.
        """
        counts = np.broadcast_to(np.asarray(n_actions), (n,)).astype(np.int64) if n >= 1 else np.zeros(0, np.int64)
        if n < 1 or counts.min() < 1 or counts.max() > self.actions:
            got = f"{n} sequences of {np.unique(counts).tolist()} actions"
            raise UsageError(f"reset takes n >= 1 sequences of 1..{self.actions} actions (the model's), got {got}")
        self._n = n
        self._random = np.random.Generator(np.random.PCG64(derive_seed(self.settings.seed, Purpose.OTHER, 0)))
        self.folding = Folding.draw(self.settings.folding, counts, self.actions, self.settings.seed)
        self._state, self._rowwise = self.model.initial_state(n), False
        self._previous = {
            "observation": np.full((n, *self._shape), self.model.config.none_observation),
            "action": np.full(n, self.model.config.none_action),
            "reward": np.zeros(n, dtype=np.float32),
            "tag": np.full(n, int(Tag.UNKNOWN)),
        }
        self._steps, self._acting = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.bool_)
        self._pending: tuple[np.ndarray, np.ndarray] | None = None
        if self._recorded is not None:
            self._recorded = []

    def act(self, observation: np.ndarray) -> np.ndarray:
        """Return an action for each sequence, (n,) int64 in 0..n_actions-1.

        Args:
            observation: (n,) symbols, 0..V-1, of the states to act in (after an episode's end, of the new one);
                (n, tokens) where an observation has several, here and below.

        Raises:
            UsageError: ``reset`` or ``observe`` is due first, or an observation is none of the vocabulary.
        """
        self._must_be(pending=False, call="act")
        seen = self._checked(observation, (self._n, *self._shape), "act")
        rows = np.arange(self._n)
        with torch.inference_mode():
            self.logits = self._read(rows, seen).float().cpu().numpy()
        ids = self._sample(self.logits)
        self._pending = (seen, ids)
        return self.folding.fold(ids)

    @property
    def entropy(self) -> np.ndarray:
        """(n,) float64: entropy of what the last ``act`` drew its actions from, as a share of uniform play's.

        It is over the environments' actions, whatever ids stand for them; 0 where there is only one. To be asked
        between ``act`` and ``observe``.
        """
        self._must_be(pending=True, call="entropy")
        assert self.logits is not None
        return share_of_uniform(self.folding.gather(self._chances(self.logits)), self.folding.n_actions)

    def observe(
        self, next_observation: np.ndarray, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray
    ) -> None:
        """Take in what the last actions brought.

        Args:
            next_observation: (n,) symbols; where an episode ended the terminal or cut one, not the next episode's.
            reward: (n,) finite rewards.
            terminated: (n,) bool.
            truncated: (n,) bool; terminated wins where both are set.

        Raises:
            UsageError: ``act`` is due first, an observation is none of the vocabulary, or a reward is not finite.
        """
        self._must_be(pending=True, call="observe")
        assert self._pending is not None
        seen = self._checked(next_observation, (self._n, *self._shape), "observe")
        paid = np.asarray(reward, dtype=np.float32)
        ends = np.where(np.asarray(terminated, dtype=bool), *BREAK_TAGS)
        ended = np.asarray(terminated, dtype=bool) | np.asarray(truncated, dtype=bool)
        if paid.shape != (self._n,) or ended.shape != (self._n,) or not np.isfinite(paid).all():
            raise UsageError(f"observe takes ({self._n},) finite rewards and ends, got {paid} and {ended}")
        (observation, ids), self._pending = self._pending, None
        everyone, rows = np.arange(self._n), np.flatnonzero(ended)
        self._append(everyone, observation, ids, paid, np.full(self._n, self.settings.own_tag))
        self._steps += 1
        self._acting = ~ended
        if len(rows):
            with torch.inference_mode():
                self._read(rows, seen[rows])
            breaks = np.full(len(rows), self.model.config.break_action)
            self._append(rows, seen[rows], breaks, np.zeros(len(rows), dtype=np.float32), ends[rows])

    def prefill(
        self,
        observation: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray,
        tag: np.ndarray,
        lengths: np.ndarray | None = None,
    ) -> None:
        """Read demonstrations into the context, in the rows in which they are recorded.

        A row is a step (observation, action taken in it, its reward, tag 0..7 of who acted), or an episode's break:
        (terminal or cut observation, any action, 0, tag 8 terminated or 9 truncated). Long ones may come in pieces.

        Args:
            observation: (n, T) symbols.
            action: (n, T) the environment's actions, 0..n_actions-1; a random one of an action's ids is shown.
            reward: (n, T) finite.
            tag: (n, T).
            lengths: (n,) rows of each sequence that count, 0..T; all T unless given. Those after them are not read,
                but must be in range.

        Raises:
            UsageError: A value is out of range, or an episode of the agent's own is under way.
        """
        self._must_be(pending=False, call="prefill")
        if self._acting.any():
            raise UsageError("prefill must not cut an episode short, and one is under way; prefill at its end or reset")
        tags = np.asarray(tag).astype(np.int64)
        shape = (self._n, tags.shape[-1] if tags.ndim else 0)
        seen = self._checked(observation, (*shape, *self._shape), "prefill")
        paid = np.asarray(reward, dtype=np.float32)
        if tags.shape != shape or paid.shape != shape or not np.isfinite(paid).all() or np.shape(action) != shape:
            raise UsageError(f"prefill takes four arrays of shape {shape} with finite rewards")
        breaks = np.isin(tags, BREAK_TAGS)
        taken = np.where(breaks, 0, np.asarray(action)).astype(np.int64)
        if tags.min(initial=0) < 0 or tags.max(initial=0) > max(BREAK_TAGS) or (paid[breaks] != 0.0).any():
            raise UsageError("prefill takes tags 0..9 and reward 0 where the tag says an episode ended (8 or 9)")
        if taken.min(initial=0) < 0 or (taken >= self.folding.n_actions[:, None]).any():
            raise UsageError(f"prefill takes actions in 0..n_actions-1, got {int(taken.min())}..{int(taken.max())}")
        ids = np.where(breaks, self.model.config.break_action, self.folding.unfold(taken, self._random))
        counts = np.full(self._n, shape[1]) if lengths is None else np.asarray(lengths)
        if counts.shape != (self._n,) or counts.min() < 0 or counts.max() > shape[1]:
            raise UsageError(f"prefill takes ({self._n},) lengths in 0..{shape[1]}, got {counts}")
        edges = {0, *range(0, shape[1], PREFILL_CHUNK), *counts.tolist()}
        for first, last in itertools.pairwise(sorted(edges)):
            members = np.flatnonzero(counts > first)
            part = np.ix_(members, np.arange(first, last))
            if len(members):
                self._read_rows(members, seen[part], ids[part], paid[part], tags[part])
        self._steps += (~breaks & (np.arange(shape[1]) < counts[:, None])).sum(axis=1)

    def memory(self) -> Memory:
        """Return a copy of all that the agent carries: ``restore`` goes on from it exactly."""
        self._must_be(pending=None, call="memory")
        return Memory(
            state=clone_state(self._state),
            rowwise=self._rowwise,
            previous={name: values.copy() for name, values in self._previous.items()},
            steps=self._steps.copy(),
            acting=self._acting.copy(),
            folding=self.folding,
            pending=None if self._pending is None else (self._pending[0].copy(), self._pending[1].copy()),
            random=dict(self._random.bit_generator.state),
        )

    def restore(self, memory: Memory) -> None:
        """Go on from ``memory``, of this agent or of another of the same model; recorded rows begin anew.

        Raises:
            UsageError: It is of an agent with another number of views.
        """
        if len(memory.steps) % self.settings.views or (memory.names is not None) != self.SEVERAL_VIEWS:
            raise UsageError(f"this agent has {self.settings.views} views, the memory is of one with others")
        self._n, self.folding = len(memory.steps), memory.folding
        with torch.inference_mode():
            self._state, self._rowwise = clone_state(memory.state), memory.rowwise
        self._previous = {name: values.copy() for name, values in memory.previous.items()}
        self._steps, self._acting = memory.steps.copy(), memory.acting.copy()
        self._pending = None if memory.pending is None else (memory.pending[0].copy(), memory.pending[1].copy())
        self._random = np.random.Generator(np.random.PCG64())
        self._random.bit_generator.state = memory.random
        if self._recorded is not None:
            self._recorded = []

    def rows(self, sequence: int) -> dict[str, np.ndarray]:
        """Return the complete rows of one sequence's context, in a dataset's types; needs ``record=True``.

        Raises:
            UsageError: The agent does not record.
        """
        if self._recorded is None:
            raise UsageError("rows are kept only where the agent was made with record=True")
        types = array_types(self.vocabulary, self.actions)
        columns: dict[str, list[Any]] = {name: [] for name in ("observation", "action", "reward", "tag")}
        for members, *values in self._recorded:
            place = np.flatnonzero(members == sequence)
            for name, value in zip(columns, values, strict=True):
                columns[name].extend(value[place].ravel())
        rows = {name: np.array(values, dtype=types[name]) for name, values in columns.items()}
        return {**rows, "observation": rows["observation"].reshape(-1, *self._shape)}

    def _sample(self, logits: np.ndarray) -> np.ndarray:
        """Return an action id (n,) from the softmax of logits (n, A) at each sequence's temperature."""
        return self._drawn(self._chances(logits))

    def _drawn(self, chances: np.ndarray) -> np.ndarray:
        """Return one of each row's entries, drawn by chances (R, A)."""
        total = np.cumsum(chances, axis=1)
        point = self._random.random((len(total), 1))
        return np.minimum((total <= point * total[:, -1:]).sum(axis=1), self.actions - 1)

    def _chances(self, logits: np.ndarray) -> np.ndarray:
        """Return the softmax (n, A) of logits (n, A) at each sequence's temperature, float64."""
        how = self.settings
        left = 1.0 - self._steps / how.temperature_steps if how.temperature_steps else np.ones(self._n)
        temperature = np.maximum(how.temperature * left, how.temperature_floor if how.temperature_steps else 0.0)
        top = logits - logits.max(axis=1, keepdims=True)
        weight = np.exp(top.astype(np.float64) / np.maximum(temperature, 1e-6)[:, None])
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))

    def _read(self, rows: np.ndarray, observation: np.ndarray) -> Tensor:
        """Read one token of sequences ``rows``: their previous rows and this observation; return logits (R, A)."""
        if not self._rowwise:
            self._state, self._rowwise = self.model.rowwise(self._state), True
        tokens = self._tokens(
            {name: values[rows, None] for name, values in self._previous.items()}, observation[:, None]
        )
        if len(rows) == self._n:
            hidden, self._state = self.model(tokens, self._state)
        else:
            members = torch.from_numpy(rows).to(self._device)
            hidden, moved = self.model(tokens, select_rows(self._state, members))
            self._state = replace_rows(self._state, members, moved)
        return self.model.policy(hidden)[:, 0]

    def _read_rows(
        self, members: np.ndarray, observation: np.ndarray, ids: np.ndarray, reward: np.ndarray, tag: np.ndarray
    ) -> None:
        """Read the tokens of whole rows of some sequences, (R, T) each; the last row waits for the next token."""
        rows = {"observation": observation, "action": ids, "reward": reward, "tag": tag}
        before = {
            name: np.concatenate([self._previous[name][members, None], values[:, :-1]], axis=1)
            for name, values in rows.items()
        }
        with torch.inference_mode():
            tokens = self._tokens(before, observation)
            if len(members) == self._n:
                _, self._state = self.model(tokens, self._state)
            else:
                if not self._rowwise:
                    self._state, self._rowwise = self.model.rowwise(self._state), True
                chosen = torch.from_numpy(members).to(self._device)
                _, moved = self.model(tokens, select_rows(self._state, chosen))
                self._state = replace_rows(self._state, chosen, moved)
        for t in range(observation.shape[1]):
            self._append(members, *(values[:, t] for values in rows.values()))

    def _tokens(self, previous: dict[str, np.ndarray], observation: np.ndarray) -> Tokens:
        """Return tokens (B, T) of previous rows (B, T) and current observations (B, T)."""
        device = self._device
        whole = [torch.from_numpy(np.ascontiguousarray(previous[name])) for name in ("observation", "action", "tag")]
        reward = torch.from_numpy(np.ascontiguousarray(previous["reward"]))
        current = torch.from_numpy(np.ascontiguousarray(observation))
        discount = torch.full(current.shape[:2], self._discount)
        return Tokens(*(part.to(device) for part in (*whole, reward, current, discount)))

    def _append(
        self, members: np.ndarray, observation: np.ndarray, ids: np.ndarray, reward: np.ndarray, tag: np.ndarray
    ) -> None:
        """Complete a row of some sequences: it is what their next token begins with."""
        for name, values in zip(
            ("observation", "action", "reward", "tag"), (observation, ids, reward, tag), strict=True
        ):
            self._previous[name][members] = values
        if self._recorded is not None:
            self._recorded.append((members, observation, ids, reward, tag))

    def _checked(self, observation: np.ndarray, shape: tuple[int, ...], call: str) -> np.ndarray:
        """Return symbols as int64 of the given shape, or refuse them."""
        symbols = np.asarray(observation)
        if symbols.shape != shape or not np.issubdtype(symbols.dtype, np.integer):
            raise UsageError(f"{call} takes integer symbols of shape {shape}, got {symbols.dtype} of {symbols.shape}")
        symbols = symbols.astype(np.int64)
        if symbols.size and not (symbols.min() >= 0 and symbols.max() < self.vocabulary):
            wrong = symbols[(symbols < 0) | (symbols >= self.vocabulary)]
            raise UsageError(
                f"observations are symbols 0..{self.vocabulary - 1} of the model's vocabulary, got {int(wrong[0])}; "
                "relabel the environment's states or take a model with a larger vocabulary"
            )
        return symbols

    def _must_be(self, pending: bool | None, call: str) -> None:
        """Refuse calls out of order: reset, then act and observe in turn."""
        if self._state is None:
            raise UsageError(f"{call} comes after reset(n, n_actions); call that first")
        if pending is True and self._pending is None:
            raise UsageError(f"{call} comes after act; call that first")
        if pending is False and self._pending is not None:
            raise UsageError(f"{call} comes after observe: tell what the last action brought first")


def share_of_uniform(chances: np.ndarray, n_actions: np.ndarray) -> np.ndarray:
    """Return the entropy of chances (n, A) as a share of the uniform distribution's over ``n_actions`` (n,) of them."""
    nats = -(chances * np.log(np.maximum(chances, 1e-300))).sum(axis=1)
    return np.asarray(nats / np.log(np.maximum(n_actions, 2)))
