"""Plain progress lines: no carriage returns, a rate, a time left."""

import io

from common.dataset.writer import Receipt
from datagen.progress import Progress


def test_lines_have_rate_and_time_left_and_no_bar(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("datagen.progress.time.monotonic", lambda: now[0])
    stream = io.StringIO()
    with Progress(10, 2, stream) as progress:
        now[0] += 30.0  # starting workers counts in no rate
        progress.tick()
        progress.begin()
        for shard in range(4):
            now[0] += 10.0
            progress.done(Receipt(shard=shard, sequences=1, steps=500, stored_bytes=1, seconds=1.0, new=True))
            progress.tick()
    text = stream.getvalue()
    assert "\r" not in text and "\x1b" not in text
    assert text.startswith("2 of 10 shards are committed already\n")
    assert "3 of 10 shards, 50 steps/s, 1 min 10 s left" in text
    assert progress.summary().startswith("6 of 10 shards committed; 4 made here, 2,000 steps in 40.0 s, 50 steps/s")
