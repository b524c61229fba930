"""Nothing beyond the given folders, nobody without the token, nothing loaded from elsewhere."""

import http.client
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from common.binding import check_binding
from common.errors import UsageError
from deploy.dashboard.page import STATIC
from deploy.dashboard.security import TOKEN_VARIABLE
from deploy.dashboard.sources import Sources, open_roots

from . import examples

Serve = Callable[..., str]
TOKEN = "a-token-of-sixteen-and-more"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "data").mkdir()
    examples.run(tmp_path / "runs" / "first", steps=20)
    examples.run(tmp_path / "secret", steps=20)
    return tmp_path / "data", tmp_path / "runs"


def raw(base: str, target: str) -> int:
    """Return the status of a request whose path no client has tidied up."""
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=5)
    try:
        connection.request("GET", target)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/runs/..%2Fsecret",
        "/api/v1/runs/%2e%2e/secret/metrics",
        "/api/v1/runs/..%5csecret/evaluations",
        "/api/v1/datasets/%2Fetc%2Fpasswd",
        "/api/v1/datasets/%00",
        "/static/../server.py",
        "/static/..%2f..%2fserver.py",
        "/static/%2e%2e/page.py",
        "/static//etc/passwd",
    ],
)
def test_paths_cannot_leave_the_roots(serve: Serve, folders: tuple[Path, Path], target: str) -> None:
    assert raw(serve(*folders), target) == 404


def test_links_that_leave_a_root_are_not_followed(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (folders[1] / "link").symlink_to(tmp_path / "secret", target_is_directory=True)
    examples.results(tmp_path / "elsewhere")
    (folders[1] / "first" / "evaluation").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    sources = Sources([folders[0]], [folders[1]])
    sources.poll()
    (run,) = sources.training.values()
    assert run.name == "first"
    assert run.evaluations == []


def test_odd_names_are_shown_and_reachable(folders: tuple[Path, Path]) -> None:
    for name in ("<img src=x onerror=alert(1)>", "a b%2f", "ünïcode", "-"):
        examples.run(folders[1] / "odd" / name, steps=10)
    sources = Sources([folders[0]], [folders[1]])
    sources.poll()
    assert len(sources.training) == 5
    assert all(re.fullmatch(r"[a-z0-9-]+", key) for key in sources.training)


def test_every_answer_has_a_strict_policy(serve: Serve, folders: tuple[Path, Path]) -> None:
    base = serve(*folders)
    for path in ("/", "/static/app.js", "/api/v1/overview", "/api/v1/runs/none", "/healthz"):
        policy = httpx.get(f"{base}{path}").headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert httpx.request(method, f"{base}/api/v1/overview").status_code == 405


def test_a_foreign_host_name_is_refused_without_a_token(serve: Serve, folders: tuple[Path, Path]) -> None:
    base = serve(*folders)
    assert httpx.get(f"{base}/api/v1/overview", headers={"Host": "evil.example"}).status_code == 421
    assert httpx.get(f"{base}/api/v1/overview", headers={"Host": "localhost"}).status_code == 200


def test_a_token_is_needed_where_one_is_set(serve: Serve, folders: tuple[Path, Path]) -> None:
    base = serve(*folders, token=TOKEN)
    assert httpx.get(f"{base}/healthz").status_code == 200
    for path in ("/", "/static/app.js", "/api/v1/overview", "/api/v1/events", "/?token=wrong"):
        assert httpx.get(f"{base}{path}").status_code == 401
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert httpx.get(f"{base}/api/v1/overview", headers=bearer).status_code == 200
    assert httpx.get(f"{base}/api/v1/overview", headers={"Authorization": "Bearer ünknown".encode()}).status_code == 401
    with httpx.Client(follow_redirects=True) as browser:
        page = browser.get(f"{base}/?token={TOKEN}&theme=dark")
        assert page.status_code == 200
        assert page.url.query == b"theme=dark"
        assert browser.get(f"{base}/api/v1/overview").status_code == 200


def test_binding_elsewhere_needs_a_token() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.4", "dashboard.example"):
        with pytest.raises(UsageError, match="OMNIRL_DASHBOARD_TOKEN"):
            check_binding(host, None, TOKEN_VARIABLE)
        check_binding(host, TOKEN, TOKEN_VARIABLE)
    for host in ("127.0.0.1", "::1", "localhost"):
        check_binding(host, None, TOKEN_VARIABLE)
    with pytest.raises(UsageError, match="at least 16 characters"):
        check_binding("0.0.0.0", "short", TOKEN_VARIABLE)


def test_missing_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--runs: .*nowhere' does not exist"):
        open_roots([str(tmp_path / "nowhere")], "--runs")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is not a folder"):
        open_roots([str(tmp_path / "file")], "--data")
    with pytest.raises(UsageError, match=r"local folder .* got 's3://bucket/x'"):
        open_roots(["s3://bucket/x"], "--runs")


def test_the_page_loads_nothing_from_elsewhere_and_has_no_inline_script() -> None:
    page = (STATIC / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert re.findall(r'\b(?:src|href)="(?:https?:)?//', page) == []
    assert re.findall(r"\sstyle=|\son\w+=", page) == []
    for path in STATIC.glob("*.js"):
        assert re.findall(r"innerHTML|https?://|\beval\(", path.read_text()) == [], path.name
    assert (STATIC / "vendor" / "uPlot.LICENSE").read_text().startswith("The MIT License")
