"""The dashboard's command line: ``python -m deploy.dashboard --data URL --runs DIR``."""

import argparse
import os
import socket
import sys
from pathlib import Path

import uvicorn

from common import cli
from common.binding import check_binding
from common.errors import UsageError
from deploy.dashboard.security import TOKEN_VARIABLE, find_token
from deploy.dashboard.server import create_app
from deploy.dashboard.sources import Sources, open_data, open_roots

EXAMPLE = Path(__file__).with_name("example")
"""A small dataset, a run and its evaluation, as the commands wrote them."""
EXAMPLES = (
    "python -m deploy.dashboard --data data/tiny --runs runs",
    "python -m deploy.dashboard --demo",
    "python -m deploy.dashboard --data /data --runs runs --port 9000        every dataset directly below /data",
    f"{TOKEN_VARIABLE}=... python -m deploy.dashboard --data data/tiny --host 0.0.0.0",
)


def arguments() -> argparse.ArgumentParser:
    """Return the command's argument parser."""
    parser = cli.parser("python -m deploy.dashboard", "Show datasets, training runs and evaluations, live.", EXAMPLES)
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="URL",
        help="a dataset, or a folder of datasets, here or at s3://; may be repeated",
    )
    parser.add_argument(
        "--runs", action="append", default=[], metavar="DIR", help="a run, or a folder with runs below; may be repeated"
    )
    parser.add_argument("--ray", metavar="URL", help="Ray's own dashboard, such as http://127.0.0.1:8265")
    parser.add_argument("--token-file", metavar="FILE", help=f"file that holds the token (else: {TOKEN_VARIABLE})")
    parser.add_argument("--demo", action="store_true", help="show a small bundled example")
    parser.add_argument("--host", default="127.0.0.1", help="address to serve on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="port, 0 for any free one (default: %(default)s)")
    return parser


def serve(given: argparse.Namespace) -> int:
    """Serve until interrupted.

    Raises:
        UsageError: Nothing to show, a path that does not exist, a port that is taken, or no token where one is needed.
    """
    if given.demo and (given.data or given.runs):
        raise UsageError("--demo shows the bundled example alone; leave out --data and --runs")
    if given.demo:
        given.data, given.runs = [str(EXAMPLE / "data")], [str(EXAMPLE / "runs")]
    if not given.data and not given.runs:
        raise UsageError("the dashboard needs something to show; give --data URL, --runs DIR, or both, or --demo")
    if given.ray and not given.ray.startswith(("http://", "https://")):
        raise UsageError(
            f"--ray takes an http:// or https:// address, got {given.ray!r}; such as http://127.0.0.1:8265"
        )
    token = find_token(given.token_file)
    os.environ.setdefault("OMNIRL_STORE_PATIENCE", "5")  # a store that is down must not hold up everything else
    os.environ.setdefault("OMNIRL_STORE_TIMEOUT", "5")
    check_binding(given.host, token, TOKEN_VARIABLE)
    sources = Sources(open_data(given.data), open_roots(given.runs, "--runs"))
    listening = _bind(given.host, given.port)
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"dashboard: http://{shown}:{port}/{'?token=...' if token else ''}   (Ctrl-C ends it)", flush=True)
    config = uvicorn.Config(
        create_app(sources, token, ray=given.ray), log_level="warning", timeout_graceful_shutdown=1, server_header=False
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
    sys.exit(cli.run(serve, arguments().parse_args()))
