"""The page in a real Chromium: figures move, no console error, no request to another host."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from . import browser, examples

pytestmark = pytest.mark.skipif(
    browser.CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"
)


def test_the_page_lives(serve: Callable[..., str], tmp_path: Path) -> None:
    examples.dataset(tmp_path / "data" / "tiny")
    examples.run(tmp_path / "runs" / "first")
    examples.results(tmp_path / "runs" / "first" / "evaluation")
    growing = examples.run(tmp_path / "runs" / "<b>second", steps=150)
    base = serve(tmp_path / "data", tmp_path / "runs")

    async def visit() -> None:
        async with browser.browser(tmp_path) as page:
            await page.open(base)
            await page.wait_for("document.querySelectorAll('.card').length === 3")
            await page.wait_for("document.querySelectorAll('.uplot').length === 2")
            await page.wait_for("document.body.innerText.includes('<b>second')")
            await page.wait_for("document.getElementById('live').dataset.state === 'on'")
            with open(growing / "metrics.jsonl", "a") as file:
                file.write(json.dumps(examples.train_row(163, time.time())) + "\n")
            assert await page.wait_for("document.body.innerText.includes('163 of 400')") < 3
            for kind in ("run", "data"):
                await page.evaluate("location.hash = '#/'")
                await page.wait_for(f"document.querySelector('.card a[href^=\"#/{kind}/\"]')")
                await page.evaluate(f"document.querySelector('.card a[href^=\"#/{kind}/\"]').click()")
                await page.wait_for("document.querySelector('h1:not(.unseen)') && document.querySelector('.uplot')")
                for width in (390, 1280):
                    await page.call(
                        "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False
                    )
                    await page.wait_for(f"document.documentElement.scrollWidth <= {width}")
                assert (await page.picture(tmp_path / f"{kind}.png")).stat().st_size > 20_000
            assert page.errors == []
            strangers = [url for url in page.requests if not url.startswith((base, "data:", "about:", "chrome"))]
            assert strangers == []

    asyncio.run(visit())


def test_empty_folders_say_what_to_do(serve: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "runs").mkdir()
    base = serve(tmp_path / "data", tmp_path / "runs")

    async def visit() -> None:
        async with browser.browser(tmp_path) as page:
            await page.open(base, width=390, scheme="dark")
            await page.wait_for("document.body.innerText.includes('No dataset yet')")
            await page.wait_for("document.body.innerText.includes('No run yet')")
            examples.run(tmp_path / "runs" / "new", steps=50)
            await page.wait_for("document.body.innerText.includes('50 of 400')", 3)
            assert page.errors == []

    asyncio.run(visit())
