"""Kernels compile once on a node, however many actors start there at once."""

import threading
import time

import pytest

from common import kernels
from common.synthesis.recipe import load
from datagen.cluster import warm as warming
from datagen.cluster.warm import warm


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("OMNIRL_CACHE", str(tmp_path))
    return tmp_path


def race(recipe, count, make):
    """Warm up in ``count`` threads at once (a file's lock tells threads apart as it does processes)."""
    results = [None] * count
    threads = [
        threading.Thread(target=lambda place=place: results.__setitem__(place, warm(recipe, make)))
        for place in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_the_first_compiles_and_the_others_wait_for_it(cache):
    spans = []

    def make(recipe):
        begin = time.monotonic()
        time.sleep(0.3 if not spans else 0.05)
        spans.append((begin, time.monotonic()))

    results = race(load("tiny"), 8, make)
    compiled = [seconds for seconds in results if seconds is not None]
    assert len(compiled) == 1 and compiled[0] >= 0.3 and len(spans) == 8
    assert all(begin >= spans[0][1] for begin, _ in spans[1:]), "nobody began before the first was done"
    assert race(load("tiny"), 3, lambda recipe: None) == [None] * 3


def test_other_kernels_are_compiled_anew(cache):
    assert warm(load("tiny"), lambda recipe: None) is not None
    assert warm(load("tiny", ("seed=7", "length=64")), lambda recipe: None) is None
    assert warm(load("dpd"), lambda recipe: None) is not None


def test_one_that_hangs_is_waited_for_only_so_long(cache, monkeypatch):
    monkeypatch.setattr(warming, "PATIENCE", 0.3)
    kernels.cache_folder().mkdir(parents=True)
    with warming._lock(kernels.cache_folder() / "warm.lock"):
        begin = time.monotonic()
        assert warm(load("tiny"), lambda recipe: None) is not None
        assert time.monotonic() - begin >= 0.3


def test_compiling_that_fails_is_tried_again(cache):
    def fail(recipe):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        warm(load("tiny"), fail)
    assert warm(load("tiny"), lambda recipe: None) is not None
