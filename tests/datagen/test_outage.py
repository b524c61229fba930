"""A store that refuses everything, clean-up included, is told from a shard that fails."""

import os
import subprocess

import pytest

from common.dataset.store import LocalStore
from common.errors import DataError


def test_a_file_system_that_turns_read_only_is_the_stores_failure_by_name(tmp_path):
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "omnirl", tmp_path], capture_output=True).returncode
    ):
        pytest.skip("mounting a file system is not permitted here")
    try:
        store = LocalStore(tmp_path / "d")
        store.put("status/a.json", b"{}")
        subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)
        for write in (store.put, store.put_new):
            with pytest.raises(DataError, match=r"cannot write status/b\.json .*Read-only file system"):
                write("status/b.json", b"{}")
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)
