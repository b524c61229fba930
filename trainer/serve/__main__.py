"""``python -m trainer.serve``: a trained agent over HTTP."""

import argparse
import os
import socket
from collections.abc import Sequence

import torch
import uvicorn

from common import cli
from common.config import parse
from common.errors import UsageError
from trainer.acting import AgentSettings
from trainer.agents import names
from trainer.checkpoints import load_model, told
from trainer.serve.address import TOKEN_VARIABLE, check_binding
from trainer.serve.app import create_app
from trainer.serve.sessions import Limits, Sessions


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    defaults = Limits()
    parser = cli.parser(
        "python -m trainer.serve",
        "Serve an agent's verbs (reset, act, observe, prefill, memory, restore) over HTTP, a session a caller.",
        [
            "python -m trainer.serve --run runs/tiny",
            f"{TOKEN_VARIABLE}=... python -m trainer.serve --agent model.safetensors --host 0.0.0.0 --port 9000",
        ],
    )
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--run", help="a run's folder: its latest checkpoint")
    who.add_argument("--agent", help=f"an exported model's file, or a bundled agent: {', '.join(names())}")
    parser.add_argument("--host", default="127.0.0.1", help="address to serve on (%(default)s)")
    parser.add_argument("--port", type=int, default=8090, help="port, 0 for any free one (%(default)s)")
    parser.add_argument("--device", help="cpu, cuda; where the model is loaded to unless given")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the model (1)")
    for name, value in defaults:
        kind = type(value)
        parser.add_argument(f"--max-{name.replace('_', '-')}", type=kind, default=value, help=f"limit ({value})")
    return cli.run(_serve, parser.parse_args(arguments))


def _serve(options: argparse.Namespace) -> int:
    token = os.environ.get(TOKEN_VARIABLE) or None
    check_binding(options.host, token)
    limits = parse(Limits, {name: getattr(options, f"max_{name}") for name in Limits.model_fields}, "the limits")
    if options.threads < 1:
        raise UsageError("--threads must be at least 1")
    torch.set_num_threads(options.threads)
    path = options.run or options.agent
    model = load_model(path)
    acting = AgentSettings.of(told(path))
    sessions = Sessions(model.to(options.device) if options.device else model, limits, acting)
    listening = _bind(options.host, options.port)
    host, port = listening.getsockname()[:2]
    print(f"agent: http://{f'[{host}]' if ':' in host else host}:{port}   (Ctrl-C ends it)", flush=True)
    config = uvicorn.Config(
        create_app(sessions, token), log_level="warning", timeout_graceful_shutdown=1, server_header=False
    )
    uvicorn.Server(config).run(sockets=[listening])
    return 0


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, OverflowError) as error:
        raise UsageError(f"cannot serve on {host} port {port}: {error}; choose another --host or --port") from None


if __name__ == "__main__":
    raise SystemExit(main())
