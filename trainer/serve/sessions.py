"""Sessions: agents that share one model's weights, each with contexts of its own, which expire when left alone."""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import Field

from common.config import Settings
from trainer.agent import Agent, AgentSettings, Memory
from trainer.model import Model


class Limits(Settings):
    """What one server allows."""

    sessions: int = Field(default=64, ge=1)
    """Sessions at a time."""
    sequences: int = Field(default=256, ge=1)
    """Sequences of one session."""
    rows: int = Field(default=65_536, ge=1)
    """Values of one demonstration's request: sequences x rows."""
    bytes: int = Field(default=16 << 20, ge=1024)
    """Of a request's body."""
    idle_seconds: float = Field(default=900.0, gt=0.0)
    """A session that nobody calls for so long is forgotten."""
    memories: int = Field(default=4, ge=0)
    """Memories a session may keep."""


class GoneError(KeyError):
    """There is no such session or memory: it expired or was ended."""


class FullError(RuntimeError):
    """As many sessions, or memories, as are allowed exist."""


@dataclass(eq=False)
class Session:
    """One caller's agent."""

    agent: Agent
    used: float
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Its calls take turns."""
    memories: dict[str, Memory] = field(default_factory=dict)


class Sessions:
    """All sessions of a server.

    Args:
        model: Shared; never written to.
        limits: What is allowed.
        acting: How the model is best played; a session's own settings change some of it.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        model: Model,
        limits: Limits,
        acting: AgentSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model, self.limits, self.acting = model, limits, acting or AgentSettings()
        self._clock, self._lock = clock, threading.Lock()
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        with self._lock:
            self._expire()
            return len(self._sessions)

    def begin(self, settings: AgentSettings) -> str:
        """Make a session; return its name, which cannot be guessed.

        Raises:
            FullError: There are as many as allowed.
            UsageError: The settings do not suit the model.
        """
        with self._lock:
            self._expire()
            if len(self._sessions) >= self.limits.sessions:
                raise FullError(
                    f"this server keeps {self.limits.sessions} sessions; end one, or wait until one expires"
                )
            name = secrets.token_urlsafe(18)
            chosen = self.acting.model_copy(update=settings.model_dump(exclude_unset=True))
            self._sessions[name] = Session(Agent.of(self.model, chosen), self._clock())
            return name

    def get(self, name: str) -> Session:
        """Return a session, which is thereby used.

        Raises:
            GoneError: There is none of that name.
        """
        with self._lock:
            self._expire()
            if name not in self._sessions:
                raise GoneError("there is no such session: it expired or was ended; begin another")
            self._sessions[name].used = self._clock()
            return self._sessions[name]

    def end(self, name: str) -> None:
        """Forget a session.

        Raises:
            GoneError: There is none of that name.
        """
        self.get(name)
        with self._lock:
            self._sessions.pop(name, None)

    def remember(self, session: Session) -> str:
        """Keep a copy of what a session's agent carries; return its name.

        Raises:
            FullError: The session keeps as many as allowed.
        """
        if len(session.memories) >= self.limits.memories:
            raise FullError(f"a session keeps {self.limits.memories} memories; begin another session")
        name = secrets.token_urlsafe(9)
        session.memories[name] = session.agent.memory()
        return name

    def _expire(self) -> None:
        oldest = self._clock() - self.limits.idle_seconds
        for name in [
            name
            for name, session in self._sessions.items()
            if session.used < oldest and not session.lock.locked()  # a long call is no idleness
        ]:
            del self._sessions[name]
