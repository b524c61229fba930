"""The same promises from every place a dataset may lie in: a folder and an object store."""

import time

import numpy as np
import pytest
import zarr

from common.dataset import open_dataset
from common.dataset.store import open_store, zarr_store
from common.dataset.writer import create_dataset
from common.errors import DataError, UsageError
from tests.dataset import made_up
from tests.dataset.races import race_to_create


@pytest.fixture(params=["local", "s3"])
def url(request, tmp_path) -> str:
    return str(tmp_path / "d") if request.param == "local" else request.getfixturevalue("s3_url")


def test_the_verbs(url):
    store = open_store(url)
    assert store.list("") == [] and list(store.walk("")) == [] and store.size("a/b") is None
    assert not store.exists("a/b")
    with pytest.raises(FileNotFoundError):
        store.get("a/b")
    with pytest.raises(FileNotFoundError):
        store.get_range("a/b", 0, 1)
    assert store.put_new("a/b", b"first") and not store.put_new("a/b", b"second")
    assert store.get("a/b") == b"first" and store.size("a/b") == 5 and store.exists("a/b")
    assert store.get_range("a/b", 1, 3) == b"irs" and store.get_range("a/b", 3, 99) == b"st"
    assert store.get_range("a/b", 5, 1) == b""
    store.put("a/c/d", b"")
    store.put("a/c/d", b"replaced")
    store.put("a/b", b"mended", durable=True)
    assert store.get("a/c/d") == b"replaced" and store.get("a/b") == b"mended"
    assert store.list("a") == ["b", "c"] and store.list("a/c") == ["d"] and store.list("nowhere") == []
    found = {entry.key: entry for entry in store.walk("a")}
    assert {key: entry.size for key, entry in found.items()} == {"a/b": 6, "a/c/d": 8}
    assert all(abs(entry.modified - time.time()) < 60 for entry in found.values())
    store.delete("a/b")
    store.delete("a/b")
    assert store.list("a") == ["c"]
    store.close()
    assert store.list("") == ["a"]


def test_one_of_many_creates_a_key(url):
    race_to_create([open_store(url) for _ in range(4)], keys=4)


def test_a_dataset_reads_back(url):
    writer = create_dataset(url, made_up.header())
    for shard in range(writer.header.shards):
        arrays = made_up.shard_arrays(writer.header, shard)
        assert writer.write_shard(shard, arrays, made_up.shard_rows(writer.header, shard)).new
        assert not writer.write_shard(shard, arrays, made_up.shard_rows(writer.header, shard)).new
    writer.close()
    dataset = open_dataset(url)
    expected = np.concatenate([made_up.shard_arrays(writer.header, shard)["reward"] for shard in range(3)])
    np.testing.assert_array_equal(dataset.read(0, 12).reward, expected)
    np.testing.assert_array_equal(zarr.open_group(zarr_store(url), mode="r")["reward"][...], expected)
    assert dataset.committed() == {0, 1, 2} and dataset.url == url


def test_wrong_urls_are_refused():
    for url in ("ftp://host/d", "s3://", "s3://bucket", "s3://bucket/", "s3://bucket/a/../b"):
        with pytest.raises(UsageError, match="s3://bucket/path"):
            open_store(url)


def test_a_bucket_that_is_not_there_and_wrong_credentials_are_refused(s3_url, monkeypatch):
    with pytest.raises(UsageError, match=r"no bucket: there is none named 'omnirl-elsewhere'.*make it first"):
        open_store("s3://omnirl-elsewhere/d")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(UsageError, match=r"refuses these credentials.*AWS_SECRET_ACCESS_KEY"):
        open_store(s3_url)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(UsageError, match=r"set: AWS_ACCESS_KEY_ID"):
        open_store(s3_url)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(UsageError, match=r"needs credentials.*set: neither"):
        open_store(s3_url)


def test_a_store_that_is_not_there_is_named_after_a_bounded_time(s3_url, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("OMNIRL_STORE_PATIENCE", "0.5")
    begun = time.monotonic()
    with pytest.raises(DataError, match=r"does not work: could not look into it in \d s and \d tries"):
        open_store(s3_url)
    assert time.monotonic() - begun < 5
    monkeypatch.setenv("OMNIRL_STORE_PATIENCE", "long")
    with pytest.raises(UsageError, match="OMNIRL_STORE_PATIENCE is a number of seconds over 0, got 'long'"):
        open_store(s3_url)
