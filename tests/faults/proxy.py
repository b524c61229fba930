"""An HTTP proxy before an object store that fails on demand: answers 500, loses answers, or takes its time."""

import http.client
import itertools
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Proxy:
    """Listens on a port of its own and passes requests on; a context manager.

    Args:
        port: The object store's.
        fault: What happens to every ``every``-th request: ``refuse`` (answered 500, not passed on), ``lose`` (passed
            on, its answer replaced by 500), ``slow`` (passed on after ``seconds``), or nothing where empty.
        every: 1 for all of them.
        seconds: See ``fault``.
    """

    def __init__(self, port: int, fault: str = "", every: int = 3, seconds: float = 0.0) -> None:
        self.fault, self.every, self.seconds = fault, every, seconds
        self.requests = self.faults = 0
        self._numbers = itertools.count(1)
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                proxy.requests += 1
                faulty = bool(proxy.fault) and next(proxy._numbers) % proxy.every == 0
                proxy.faults += faulty
                if faulty and proxy.fault == "refuse":
                    return self.answer(500, {}, b"out of order")
                if faulty and proxy.fault == "slow":
                    time.sleep(proxy.seconds)
                upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                try:
                    upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                    for name, value in self.headers.items():
                        upstream.putheader(name, value)
                    upstream.endheaders(body)
                    response = upstream.getresponse()
                    data, headers = response.read(), dict(response.getheaders())
                except OSError as error:
                    return self.answer(502, {}, str(error).encode())
                finally:
                    upstream.close()
                if faulty and proxy.fault == "lose":
                    return self.answer(500, {}, b"the answer was lost")
                return self.answer(response.status, headers, data)

            def answer(self, status: int, headers: dict[str, str], data: bytes) -> None:
                length = headers.get("Content-Length", len(data)) if self.command == "HEAD" else len(data)
                try:
                    self.send_response_only(status)
                    for name, value in headers.items():
                        if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                            self.send_header(name, value)
                    self.send_header("Content-Length", str(length))
                    self.end_headers()
                    if self.command != "HEAD":
                        self.wfile.write(data)
                except OSError:  # the client did not wait for it
                    self.close_connection = True

            do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = do_any

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Connections that clients drop are no news."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._server.serve_forever, name="proxy", daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
