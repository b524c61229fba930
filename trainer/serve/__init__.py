"""An agent over HTTP: the verbs of ``trainer.Agent``, one session a caller.

Reading order: ``sessions`` (who is playing, limits), ``models`` (requests), ``app``, ``__main__`` (the command).
"""

from trainer.serve.app import create_app
from trainer.serve.sessions import Limits, Sessions

__all__ = ["Limits", "Sessions", "create_app"]
