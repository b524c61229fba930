"""Every page in a real Chromium: no console error, no other host, no axe fault, phone, dark, downloads, memory."""

import gc
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.dashboard.sources import Sources
from tests.dashboard import examples
from tests.dashboard.conftest import serving

pytestmark = pytest.mark.slow


@pytest.fixture
def served(tmp_path: Path) -> Any:
    examples.dataset(tmp_path / "data" / "tiny")
    examples.driver_status(tmp_path / "data" / "tiny")
    examples.run(tmp_path / "runs" / "first")
    examples.results(tmp_path / "runs" / "first" / "evaluation")
    examples.run(tmp_path / "runs" / "second", steps=150)
    examples.results(tmp_path / "runs" / "second" / "evaluation")
    with serving(Sources([tmp_path / "data"], [tmp_path / "runs"])) as base:
        yield base


def pages(page: Any) -> list[tuple[str, str]]:
    """Return every page's address and what it shows when it is ready."""
    page.wait_for_selector(".card a")
    data = page.get_attribute('.card a[href^="#/data/"]', "href")
    run = page.get_attribute('.card a[href^="#/run/"]', "href")
    return [
        ("#/", ".uplot"),
        (data, ".shardgrid canvas"),
        (run, ".uplot"),
        ("#/worlds?family=anymdp&seed=7&states=16&actions=5", ".shardgrid canvas"),
        (data.replace("#/data/", "#/worlds?data=") + "&sequence=5", ".uplot"),
        ("#/evaluation", ".uplot"),
        ("#/cluster", ".panel .empty, .panel table"),
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_clean_and_fits_a_phone(
    open_page: Callable[..., Any], served: str, scheme: str, pictures: Path
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    watched = open_page(served, color_scheme=scheme, viewport={"width": 1280, "height": 900})
    page = watched.page
    for number, (address, ready) in enumerate(pages(page)):
        page.evaluate("(to) => { location.hash = to }", address)
        page.wait_for_selector(ready, timeout=150_000)
        page.wait_for_function("document.getElementById('live').dataset.state === 'on'")
        found = axe.run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == [], address
        page.screenshot(path=pictures / f"{scheme}-{number}.png", full_page=True)
        page.set_viewport_size({"width": 390, "height": 800})
        page.wait_for_timeout(150)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, address
        page.screenshot(path=pictures / f"{scheme}-{number}-phone.png", full_page=True)
        page.set_viewport_size({"width": 1280, "height": 900})
    assert watched.errors == []
    assert watched.strangers == []


def test_a_charts_data_as_csv_and_json(open_page: Callable[..., Any], served: str) -> None:
    watched = open_page(served)
    page = watched.page
    address = pages(page)[2][0]
    page.goto(f"{served}/{address}")
    page.wait_for_selector(".uplot")
    for kind in ("CSV", "JSON"):
        with page.expect_download() as download:
            page.click(f'button[aria-label="{kind} of: Training losses by head over optimiser steps"]')
        text = Path(download.value.path()).read_text()
        if kind == "CSV":
            assert text.splitlines()[0] == "optimiser step,policy,observation,reward,break"
            assert len(text.splitlines()) > 10
        else:
            assert set(json.loads(text)) == {"optimiser step", "policy", "observation", "reward", "break"}
    assert watched.errors == []


def test_the_keyboard_alone_reaches_a_run(open_page: Callable[..., Any], served: str) -> None:
    page = open_page(served).page
    page.wait_for_selector(".card a")
    for _ in range(20):
        page.keyboard.press("Tab")
        if (page.evaluate("document.activeElement.getAttribute('href')") or "").startswith("#/run/"):
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:text-matches('first|second')")
    assert page.evaluate("document.activeElement.id") == "main"


def test_a_thousand_updates_leave_no_more_memory_behind(
    open_page: Callable[..., Any], served: str, tmp_path: Path
) -> None:
    watched = open_page(served)
    page = watched.page
    page.goto(f"{served}/{pages(page)[2][0]}")
    page.wait_for_selector(".uplot")
    page.evaluate(
        "() => { window.heard = 0; new EventSource('/api/v1/events').addEventListener('change', () => { heard += 1 }) }"
    )
    client = page.context.new_cdp_session(page)

    def heap() -> float:
        client.send("HeapProfiler.collectGarbage")
        return float(client.send("Runtime.getHeapUsage")["usedSize"])

    def resident() -> int:
        """Bytes of this process: the server is a thread of it."""
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    step, before, serving, begin = 151, 0.0, 0, time.monotonic()
    while page.evaluate("heard") < 1000:
        assert time.monotonic() - begin < 400
        for run in ("first", "second"):
            with open(tmp_path / "runs" / run / "metrics.jsonl", "a") as file:
                file.write(json.dumps(examples.train_row(step, time.time(), 100_000)) + "\n")
        step += 1
        if not before and page.evaluate("heard") > 300:
            before, serving = heap(), resident()
        page.wait_for_timeout(100)
    assert heap() < before + 5e6
    assert resident() < serving + 20e6
    assert watched.errors == []
