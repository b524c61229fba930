import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install 'omnirl[dev]'")

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
]


class Watched:
    """A page whose errors and requests are noted."""

    def __init__(self, page: "playwright.Page", base: str) -> None:
        self.page, self.base = page, base
        self.errors: list[str] = []
        self.strangers: list[str] = []
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self._note(request.url))

    def _note(self, url: str) -> None:
        if not url.startswith((self.base, "data:", "blob:", "about:")):
            self.strangers.append(url)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return where pictures are kept: OMNIRL_PICTURES, else the test's own folder."""
    folder = Path(os.environ.get("OMNIRL_PICTURES", tmp_path / "pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def open_page(tmp_path: Path) -> Iterator[object]:
    """Return a function that opens a served address in Chromium."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)

        def start(base: str, path: str = "/", **context: object) -> Watched:
            watched = Watched(browser.new_context(**context).new_page(), base)
            watched.page.set_default_timeout(20_000)
            watched.page.goto(base + path)
            return watched

        yield start
        browser.close()
